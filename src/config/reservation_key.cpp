// SPDX-License-Identifier: BSD-3-Clause
#include "config/reservation_key.hpp"

#include <charconv>

namespace config {

void read_reservation_key(Section &section, const Reading &reading, Map &map) {
    constexpr std::string_view survives = ":aptpl";
    constexpr std::string_view prefix = "0x";
    const auto text = section.text("reservation_key");
    if (!text)
        return;
    const Node &node = *section.find("reservation_key");
    map.reservation_key_where = reading.where(node);
    std::string_view digits = *text;
    map.reservation_survives_power_loss = digits.ends_with(survives);
    if (map.reservation_survives_power_loss)
        digits.remove_suffix(survives.size());
    const bool is_hexadecimal = digits.starts_with(prefix);
    if (is_hexadecimal)
        digits.remove_prefix(prefix.size());
    const char *const last = digits.data() + digits.size();
    const auto [end, error] = std::from_chars(digits.data(), last, map.reservation_key, 16);
    if (!is_hexadecimal || error != std::errc() || end != last || map.reservation_key == 0)
        reading.problem(node, "reservation_key: '{}' is not 0x and up to 16 hexadecimal digits, not 0",
                        shown(*text));
}

} // namespace config
