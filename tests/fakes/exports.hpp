// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/exports.hpp"

#include <vector>

namespace fakes {

/// A fixed set of exports; the first is the default.
class Exports final : public nbd::Exports {
public:
    void add(nbd::ExportInfo info) { all.push_back(std::make_shared<nbd::ExportInfo>(std::move(info))); }

    [[nodiscard]] std::vector<std::shared_ptr<const nbd::ExportInfo>> list() const override { return all; }
    [[nodiscard]] std::shared_ptr<const nbd::ExportInfo> find(std::string_view name) const override {
        for (const auto &info : all)
            if (name.empty() || info->name == name)
                return info;
        return nullptr;
    }

    std::vector<std::shared_ptr<const nbd::ExportInfo>> all;
};

} // namespace fakes
