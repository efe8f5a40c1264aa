// SPDX-License-Identifier: BSD-3-Clause
// Any text as a table: it is refused, or what it prints loads again and prints the same.
#include "base/error.hpp"
#include "fakes/fake_device.hpp"
#include "fakes/manual_scheduler.hpp"
#include "multipath/table.hpp"

#include <cstdlib>

namespace {

class Devices final : public multipath::DeviceSet {
public:
    multipath::PathDevice find(std::string_view name) override {
        if (name.empty() || name.front() != 'P')
            return {};
        return {&device_, name != "P2", name == "P3"};
    }

private:
    fakes::ManualScheduler scheduler_;
    std::vector<std::string> journal_;
    fakes::FakeDevice device_{scheduler_, "P", journal_};
};

void check(std::string_view text, const multipath::Compat &compat) {
    Devices devices;
    const multipath::TableRules rules{&compat};
    try {
        const auto table = multipath::Table::parse(text, devices, rules);
        const std::string printed = table->table_text();
        (void)table->info_text(1);
        // Words that hold blanks are printed as they are: such a name cannot be in a configuration.
        if (text.find('\\') == std::string_view::npos &&
            multipath::Table::parse(printed, devices, rules)->table_text() != printed)
            std::abort();
    } catch (const base::Error &error) {
        if (error.code() == 0)
            std::abort();
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size) {
    const std::string_view text(reinterpret_cast<const char *>(data), size);
    check(text, multipath::seed);
    check(text, multipath::kernel);
    return 0;
}
