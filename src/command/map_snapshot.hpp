// SPDX-License-Identifier: BSD-3-Clause
#pragma once

#include "multipath/path_statistics.hpp"

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

namespace command {

/// What a map was like at one moment, copied on its home worker for commands to print.
struct MapSnapshot {
    std::string name;
    std::string info;                                  ///< INFO, with its trailing blank
    std::string table;                                 ///< TABLE, with its trailing blank
    std::string staged_table;                          ///< TABLE of the inactive table, if there is one
    std::vector<std::string> dependencies;             ///< path names, each once
    std::vector<multipath::PathStatistics> statistics; ///< of each path entry, in the table's order
    std::uint64_t staged_sectors = 0;                  ///< of the inactive table
    std::uint64_t size_sectors = 0;                    ///< of 512 bytes; zero while not known yet
    std::uint64_t event_number = 0;
    bool suspended = false;
    bool live_table = true;
    bool inactive_table = false;
    std::uint64_t open_count = 0; ///< connected clients
    bool read_only = false;
    std::uint32_t minimum_block = 1;
    std::uint32_t preferred_block = 4096;
    std::uint32_t maximum_block = 32 << 20;
    std::uint64_t held = 0; ///< requests that wait for a path
    std::chrono::milliseconds held_oldest{0};
    bool independent_caches = false;
    std::uint64_t unflushed = 0; ///< bytes that are kept until a flush covers them (design D4)
    std::uint64_t memory = 0;    ///< bytes for the data of requests
    std::uint64_t memory_limit = 0;
    std::uint64_t in_doubt = 0; ///< writes sent and not answered by a path since lost (design D3)
};

/// A client that has a map's export open.
struct ClientSnapshot {
    std::uint64_t number = 0; ///< for `kick`
    std::string peer;
    std::string export_name;
    std::string tls = "no";     ///< "yes", or who it is
    std::uint64_t requests = 0; ///< ever
    std::uint64_t read_bytes = 0;
    std::uint64_t written_bytes = 0;
    std::uint64_t in_flight = 0;
    std::chrono::seconds connected{0};
};

} // namespace command
