// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "nbd/exports.hpp"

#include <string>
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

/// May open what is not in `closed`, and finds every place taken while `full` is not empty.
class Visitor final : public nbd::Visitor {
public:
    [[nodiscard]] bool may_open(const nbd::ExportInfo &info) const override { return info.name != closed; }
    [[nodiscard]] std::string_view enter(const nbd::ExportInfo &info, bool &wait) override {
        wait = !full.empty() && waits > 0;
        waits -= wait ? 1 : 0;
        if (full.empty())
            entered.push_back(info.name);
        return full;
    }

    std::string closed = "nothing of that name";
    std::string full;
    int waits = 0; ///< how often it is to be asked again
    std::vector<std::string> entered;
};

} // namespace fakes
