// SPDX-License-Identifier: BSD-3-Clause
#include "config/map_section.hpp"

#include "base/error.hpp"
#include "base/text.hpp"
#include "config/fingerprint_section.hpp"
#include "config/group_section.hpp"
#include "config/later_keys.hpp"
#include "config/parse.hpp"
#include "config/path_section.hpp"
#include "config/reservation_key.hpp"
#include "config/table_text.hpp"
#include "config/wwid.hpp"

namespace config {

namespace {

constexpr Range sizes{512, std::numeric_limits<std::int64_t>::max()};
constexpr Range unflushed_limits{0, std::int64_t{1} << 40};
constexpr Range client_counts{1, 1'000'000};
constexpr Range group_numbers{1, 1024};
constexpr Range retry_counts{1, 50};
constexpr Range delays{0, 60000};
constexpr std::uint64_t sector_bytes = 512;

/// One map.
class MapSection {
public:
    MapSection(const Node::Entry &entry, const Environment &environment, const PathNames &paths,
               const Reading &reading)
        : name_(*entry.first)
        , section_(*entry.second, fmt::format("map '{}'", shown(entry.first->text)), reading)
        , environment_(environment)
        , paths_(paths)
        , reading_(reading) {}

    Map read() {
        const std::size_t before = reading_.problems.count();
        check_name(name_, "map", reading_);
        map_.where = map_.table_where = reading_.where(name_);
        map_.name = name_.text;
        read_options();
        read_clients();
        read_table_keys();
        read_table();
        refuse_later_keys(section_, "map", reading_);
        section_.finish();
        // A table made from something wrong would only be wrong again.
        if (reading_.problems.count() == before)
            check_table();
        return std::move(map_);
    }

    /// Requests may wait for ever.
    [[nodiscard]] bool queues_without_end() const {
        return table_.has_queue_if_no_path() && map_.no_path_timeout.count() == 0;
    }

private:
    void read_options() {
        map_.description = section_.text("description").value_or("");
        map_.read_only = section_.boolean("read_only").value_or(false);
        map_.no_path_timeout = section_.duration("no_path_timeout").value_or(map_.no_path_timeout);
        map_.size_bytes = section_.size("size", sizes);
        if (map_.size_bytes && *map_.size_bytes % sector_bytes != 0)
            reading_.problem(*section_.find("size"), "size: {} is not a multiple of 512", *map_.size_bytes);
        map_.fingerprint = read_fingerprint(section_, reading_);
        read_wwid();
        read_reservation_key(section_, reading_, map_);
        if (section_.choice("compat", {"seed", "kernel"}) == "kernel")
            map_.set_kernel_defaults();
        if (const auto cache = section_.choice("cache", {"shared", "independent"}))
            map_.cache = *cache == "shared" ? Cache::shared : Cache::independent;
        if (const auto limit = section_.size("unflushed_limit", unflushed_limits)) {
            map_.unflushed_limit_bytes = *limit;
            if (map_.cache == Cache::shared)
                reading_.problem(
                    *section_.find("unflushed_limit"),
                    "unflushed_limit: nothing is kept with 'cache: shared': leave one of them out");
        }
        if (const auto reinstate = section_.choice("reinstate", {"auto", "manual"}))
            map_.reinstate = *reinstate == "manual" ? Reinstate::manual : Reinstate::automatic;
        if (section_.choice("eio", {"path", "verify"}) == "verify")
            map_.eio = Eio::verify;
        read_ambiguous_writes();
    }

    void read_wwid() {
        const auto text = section_.text("wwid");
        if (!text)
            return;
        map_.wwid_where = reading_.where(*section_.find("wwid"));
        try {
            map_.wwid = parse_wwid(*text);
        } catch (const base::Error &error) {
            reading_.problems.add(map_.wwid_where, "wwid: {}", error.what());
        }
    }

    void read_ambiguous_writes() {
        constexpr std::pair<std::string_view, AmbiguousWrites> words[] = {{"fence", AmbiguousWrites::fence},
                                                                          {"hold", AmbiguousWrites::hold},
                                                                          {"retry", AmbiguousWrites::retry},
                                                                          {"fail", AmbiguousWrites::fail}};
        if (const auto stated = section_.choice("ambiguous_writes", {"fence", "hold", "retry", "fail"}))
            for (const auto &[word, meaning] : words)
                if (*stated == word)
                    map_.ambiguous_writes = meaning;
        map_.ambiguous_hold = section_.duration("ambiguous_hold").value_or(map_.ambiguous_hold);
        map_.fence_timeout = section_.duration("fence_timeout").value_or(map_.fence_timeout);
    }

    /// Whom the export is for.
    void read_clients() {
        map_.listed = section_.boolean("listed").value_or(true);
        map_.max_clients = section_.number("max_clients", client_counts).value_or(0);
        const auto access = section_.choice("access", {"shared", "exclusive", "read-only"});
        if (access == "exclusive")
            map_.access = Access::exclusive;
        else if (access == "read-only")
            map_.access = Access::read_only;
        map_.tls_only = section_.boolean("tls_only").value_or(false);
        if (const Node *identities = section_.find("tls_identities")) {
            for (const Node *item : items_of(*identities, "tls_identities", reading_))
                if (const auto text = text_of(*item, "tls_identities", reading_))
                    map_.tls_identities.push_back(*text);
            must_list_some(*identities, "tls_identities");
        }
        const Node *allow = section_.find("allow");
        if (allow == nullptr)
            return;
        for (const Node *item : items_of(*allow, "allow", reading_))
            read_allowed(*item);
        must_list_some(*allow, "allow");
    }

    void must_list_some(const Node &node, std::string_view key) {
        if (node.kind == Node::Kind::empty || (node.kind == Node::Kind::sequence && node.items.empty()))
            reading_.problem(node, "{}: nobody may connect then; list somebody, or leave it out", key);
    }

    void read_allowed(const Node &item) {
        const std::optional<std::string> text = text_of(item, "allow", reading_);
        if (!text)
            return;
        try {
            map_.allow.push_back(base::AddressRange::parse(*text));
        } catch (const base::Error &error) {
            reading_.problem(item, "allow: {}", error.what());
        }
    }

    void read_table_keys() {
        queue_if_no_path_ = section_.boolean("queue_if_no_path");
        pg_init_retries_ = section_.number("pg_init_retries", retry_counts);
        pg_init_delay_msecs_ = section_.number("pg_init_delay_msecs", delays);
        if (const auto handler = section_.text("hardware_handler"))
            hardware_handler_ = base::split_words(*handler);
        initial_group_ = section_.number("initial_group", group_numbers);
    }

    void read_table() {
        const Node *table = section_.find("table");
        const Node *groups = section_.find("priority_groups");
        if (table != nullptr && groups != nullptr) {
            reading_.problem(*groups,
                             "map '{}': 'table' and 'priority_groups' say the same thing: only one of them",
                             shown(map_.name));
        } else if (table != nullptr) {
            map_.table_where = reading_.where(*table);
            read_table_text(*table);
        } else if (groups != nullptr) {
            read_groups(*groups);
        } else if (section_.node().kind != Node::Kind::scalar &&
                   section_.node().kind != Node::Kind::sequence) {
            reading_.problem(name_, "map '{}' needs 'table' or 'priority_groups'", shown(map_.name));
        }
        map_.table = table_.text();
    }

    void read_table_text(const Node &node) {
        const std::optional<std::string> text = text_of(node, "table", reading_);
        if (!text)
            return;
        try {
            table_ = TableText(*text);
        } catch (const base::Error &error) {
            reading_.problem(node, "table: {}", error.what());
            return;
        }
        if (section_.find("size") == nullptr)
            map_.size_bytes = table_.size_bytes();
        if (queue_if_no_path_ == false && table_.has_queue_if_no_path())
            reading_.problem(*section_.find("queue_if_no_path"),
                             "queue_if_no_path: false, but the table has it");
        must_agree("pg_init_retries", pg_init_retries_, table_.feature_value("pg_init_retries"));
        must_agree("pg_init_delay_msecs", pg_init_delay_msecs_, table_.feature_value("pg_init_delay_msecs"));
        must_agree("initial_group", initial_group_, table_.initial_group());
        const auto handler = table_.handler();
        if (!hardware_handler_.empty() && !handler.empty() && handler != hardware_handler_)
            reading_.problem(*section_.find("hardware_handler"),
                             "hardware_handler: {}, but the table says {}",
                             shown(base::join_words(hardware_handler_)), shown(base::join_words(handler)));
        merge_keys(node);
    }

    void must_agree(std::string_view key, std::optional<std::uint64_t> value,
                    const std::optional<std::string> &word) {
        if (value && word && base::parse_number(*word) != value)
            reading_.problem(*section_.find(key), "{}: {}, but the table says {}", key, *value, shown(*word));
    }

    /// What the table does not say itself.
    void merge_keys(const Node &node) {
        bool added = true;
        if (queue_if_no_path_ == true && !table_.has_queue_if_no_path())
            added = table_.add_feature({"queue_if_no_path"});
        const auto add = [&](const char *feature, std::optional<std::uint64_t> value) {
            if (value && !table_.feature_value(feature))
                added = table_.add_feature({feature, std::to_string(*value)}) && added;
        };
        add("pg_init_retries", pg_init_retries_);
        add("pg_init_delay_msecs", pg_init_delay_msecs_);
        if (!added)
            reading_.problem(node, "table: invalid number of feature args");
        else if (!hardware_handler_.empty() && table_.handler().empty() &&
                 !table_.add_handler(hardware_handler_))
            reading_.problem(node, "table: invalid number of hardware handler args");
    }

    void read_groups(const Node &groups) {
        merge_keys(groups);
        append_groups(groups, initial_group_.value_or(1), environment_, paths_, reading_, table_);
        if (initial_group_ && groups.kind == Node::Kind::sequence && *initial_group_ > groups.items.size())
            reading_.problem(*section_.find("initial_group"),
                             "initial_group: {}, but there are {} priority groups", *initial_group_,
                             groups.items.size());
    }

    void check_table() {
        if (!environment_.check_table)
            return;
        try {
            environment_.check_table({map_, paths_});
        } catch (const base::Error &error) {
            reading_.problems.add(map_.table_where, "map '{}': {}", map_.name, error.what());
        }
    }

    const Node &name_;
    Section section_;
    const Environment &environment_;
    const PathNames &paths_;
    const Reading &reading_;
    Map map_;
    TableText table_;
    std::optional<bool> queue_if_no_path_;
    std::optional<std::uint64_t> pg_init_retries_;
    std::optional<std::uint64_t> pg_init_delay_msecs_;
    std::vector<std::string> hardware_handler_;
    std::optional<std::uint64_t> initial_group_;
};

} // namespace

void read_maps(const Node &node, const Environment &environment, const Reading &reading, Config &config) {
    const PathNames paths(config.paths);
    for (const Node::Entry &entry : unique_entries(node, "multipaths", reading)) {
        if (reading.problems.full())
            return;
        MapSection section(entry, environment, paths, reading);
        config.maps.push_back(section.read());
        const Map &map = config.maps.back();
        if (section.queues_without_end())
            config.warnings.push_back(
                warning(map.where,
                        fmt::format("map '{}' queues without end while it has no path: set no_path_timeout "
                                    "(example: no_path_timeout: 60s)",
                                    shown(map.name))));
    }
}

} // namespace config
