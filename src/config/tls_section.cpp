// SPDX-License-Identifier: BSD-3-Clause
#include "config/tls_section.hpp"

#include <algorithm>

namespace config {

void read_tls(const Node &node, const Reading &reading, TlsFiles &tls) {
    Section section(node, "tls", reading);
    tls.where = reading.where(node);
    tls.certificates = section.text("certificates").value_or("");
    tls.psk = section.text("psk").value_or("");
    tls.verify_peer = section.boolean("verify_peer").value_or(true);
    if (node.kind == Node::Kind::mapping && tls.certificates.empty() == tls.psk.empty())
        reading.problem(node, "tls: either 'certificates' or 'psk' is needed");
    else if (!tls.psk.empty() && section.find("verify_peer") != nullptr)
        reading.problem(*section.find("verify_peer"), "verify_peer: belongs to certificates");
    section.finish();
}

void check_tls(const Reading &reading, const Config &config) {
    const bool offered =
        std::ranges::any_of(config.listen, [](const Listener &each) { return each.tls != Tls::off; });
    for (const Listener &listener : config.listen)
        if (listener.tls != Tls::off && !config.tls.any())
            reading.problems.add(listener.where, "listen: TLS without 'tls' (certificates or psk)");
    for (const Map &map : config.maps) {
        if ((map.tls_only || !map.tls_identities.empty()) && !offered)
            reading.problems.add(map.where, "map '{}' needs TLS, but no socket of 'listen' offers it",
                                 shown(map.name));
        if (!map.tls_identities.empty() && config.tls.psk.empty() && !config.tls.verify_peer)
            reading.problems.add(map.where, "map '{}': without verify_peer no client has an identity",
                                 shown(map.name));
    }
}

} // namespace config
