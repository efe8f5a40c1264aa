// SPDX-License-Identifier: BSD-3-Clause
#include "config/path_section.hpp"

#include "base/text.hpp"

#include <algorithm>

namespace config {

namespace {

std::string scheme_list(const Environment &environment) {
    std::vector<std::string_view> schemes;
    for (const PathType &type : environment.path_types)
        schemes.insert(schemes.end(), type.schemes.begin(), type.schemes.end());
    return fmt::format("{}", fmt::join(schemes, ", "));
}

/// The type that serves the URI; nullptr, with a problem, when there is none. Only the scheme is shown: the
/// rest may hold a secret.
const PathType *find_type(const std::string &uri, const Node &node, const Environment &environment,
                          const Reading &reading) {
    const std::size_t colon = uri.find(':');
    if (colon == std::string::npos) {
        reading.problem(node,
                        "not a URI, it has no scheme (example: file:///srv/disk.img; known schemes: {})",
                        scheme_list(environment));
        return nullptr;
    }
    const std::string scheme = uri.substr(0, colon);
    for (const PathType &type : environment.path_types)
        if (std::ranges::find(type.schemes, scheme) != type.schemes.end())
            return &type;
    reading.problem(node, "unknown URI scheme '{}' (known schemes: {})", shown(scheme),
                    scheme_list(environment));
    return nullptr;
}

/// Takes the URI over when it is right; returns its type even when it is not, for the keys beside it.
const PathType *read_uri(const Node &node, const std::string &uri, Path &path, const Environment &environment,
                         const Reading &reading) {
    const PathType *type = find_type(uri, node, environment, reading);
    if (type == nullptr)
        return nullptr;
    try {
        if (type->check_uri)
            type->check_uri(uri);
        path.uri = uri;
    } catch (const base::Error &error) {
        reading.problem(node, "uri: {}", error.what());
    }
    return type;
}

void read_keys(Section *section, const PathType &type, const base::KeyValues &defaults, Path &path) {
    for (const base::Key &key : type.keys) {
        std::optional<base::KeyValue> value =
            section != nullptr ? section->value(key.name, key.kind) : std::nullopt;
        if (!value && key.kind == base::KeyKind::text && defaults.has(key.name))
            value = defaults.get<std::string>(key.name);
        if (!value && !key.default_text.empty())
            value = base::parse_value(key.kind, key.default_text);
        if (value)
            path.values.set(key.name, *std::move(value));
    }
}

void check_values(const Node &node, const PathType &type, const Path &path, const Reading &reading) {
    try {
        if (type.check_values)
            type.check_values(path.values);
    } catch (const base::Error &error) {
        reading.problem(node, "path '{}': {}", shown(path.name), error.what());
    }
}

/// `inject`: a rule, or a list of rules.
void read_injected(Section &section, Path &path, const Environment &environment, const Reading &reading) {
    const Node *node = section.find("inject");
    if (node == nullptr)
        return;
    const std::vector<const Node *> one{node};
    const bool is_list = node->kind == Node::Kind::sequence;
    for (const Node *item : is_list ? node->items : one) {
        const std::optional<std::string> rule = text_of(*item, "inject", reading);
        if (!rule)
            continue;
        try {
            if (environment.check_inject)
                environment.check_inject(*rule);
            path.inject.push_back(*rule);
        } catch (const base::Error &error) {
            reading.problem(*item, "inject: {}", error.what());
        }
    }
    if (path.inject.size() > environment.most_injected)
        reading.problem(*node, "inject: {} rules are too many, the most is {}", path.inject.size(),
                        environment.most_injected);
}

void read_section(const Node &node, Path &path, const Environment &environment,
                  const base::KeyValues &defaults, const Reading &reading) {
    Section section(node, fmt::format("path '{}'", shown(path.name)), reading);
    const Node *uri_node = section.find("uri");
    if (uri_node == nullptr) {
        reading.problem(node, "path '{}' needs a URI (example: {}: {{uri: \"file:///srv/disk.img\"}})",
                        shown(path.name), shown(path.name));
        return;
    }
    const std::optional<std::string> uri = section.text("uri");
    const PathType *type = uri ? read_uri(*uri_node, *uri, path, environment, reading) : nullptr;
    // Without a type nobody knows which keys are right.
    if (type == nullptr)
        return;
    read_keys(&section, *type, defaults, path);
    read_injected(section, path, environment, reading);
    check_values(node, *type, path, reading);
    section.finish();
}

Path read_path(const Node::Entry &entry, const Environment &environment, const base::KeyValues &defaults,
               const Reading &reading) {
    const auto &[name, value] = entry;
    Path path;
    path.where = reading.where(*name);
    path.name = name->text;
    check_name(*name, "path", reading);
    if (value->kind == Node::Kind::mapping)
        read_section(*value, path, environment, defaults, reading);
    else if (value->kind != Node::Kind::scalar)
        reading.problem(*value, "path '{}' needs a URI (example: {}: file:///srv/disk.img)", shown(path.name),
                        shown(path.name));
    else if (const PathType *type = read_uri(*value, value->text, path, environment, reading)) {
        read_keys(nullptr, *type, defaults, path);
        check_values(*value, *type, path, reading);
    }
    return path;
}

} // namespace

void check_name(const Node &name, std::string_view kind, const Reading &reading) {
    const std::string_view problem = base::name_problem(name.text);
    if (!problem.empty())
        reading.problem(name, "'{}' is not a {} name: {}", shown(name.text), kind, problem);
}

std::vector<Path> read_paths(const Node &node, const Environment &environment,
                             const base::KeyValues &defaults, const Reading &reading) {
    std::vector<Path> paths;
    for (const Node::Entry &entry : unique_entries(node, "paths", reading))
        paths.push_back(read_path(entry, environment, defaults, reading));
    return paths;
}

} // namespace config
