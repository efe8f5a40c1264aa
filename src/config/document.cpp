// SPDX-License-Identifier: BSD-3-Clause
#include "config/document.hpp"

#include <algorithm>
#include <map>
#include <sstream>
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/mark.h>
#include <yaml-cpp/parser.h>

namespace config {

namespace {

// The parser needs up to 250 bytes for one of a text made to be bad (all opening brackets).
constexpr std::size_t largest_text = 1 << 20;
constexpr std::size_t deepest = 32;
constexpr std::size_t heaviest = 300'000;

Where where_of(const std::string &file, const YAML::Mark &mark) {
    return {file, std::max(mark.line, 0) + 1, std::max(mark.column, 0) + 1};
}

/// Builds the tree from the parser's events.
class Builder final : public YAML::EventHandler {
public:
    Builder(std::deque<Node> &nodes, const std::string &file)
        : nodes_(nodes)
        , file_(file) {}

    const Node *root = nullptr;

    void OnDocumentStart(const YAML::Mark &mark) override {
        if (root != nullptr)
            throw Error(where_of(file_, mark), "a second YAML document: everything belongs into one");
    }
    void OnDocumentEnd() override {}
    void OnNull(const YAML::Mark &mark, YAML::anchor_t anchor) override {
        Node &node = make(Node::Kind::empty, mark, anchor);
        // The parser reports the place of what follows; the user looks for the key.
        if (!open_.empty() && open_.back().key != nullptr) {
            node.line = open_.back().key->line;
            node.column = open_.back().key->column;
        }
        place(node, mark);
    }
    void OnScalar(const YAML::Mark &mark, const std::string &, YAML::anchor_t anchor,
                  const std::string &value) override {
        Node &node = make(Node::Kind::scalar, mark, anchor);
        node.text = value;
        place(node, mark);
    }
    void OnAlias(const YAML::Mark &mark, YAML::anchor_t anchor) override {
        const auto found = anchors_.find(anchor);
        for (const Open &open : open_)
            if (found == anchors_.end() || open.node == found->second)
                throw Error(where_of(file_, mark), "an alias inside of what it stands for");
        place(*found->second, mark);
    }
    void OnSequenceStart(const YAML::Mark &mark, const std::string &, YAML::anchor_t anchor,
                         YAML::EmitterStyle::value) override {
        open(make(Node::Kind::sequence, mark, anchor), mark);
    }
    void OnSequenceEnd() override { close(); }
    void OnMapStart(const YAML::Mark &mark, const std::string &, YAML::anchor_t anchor,
                    YAML::EmitterStyle::value) override {
        open(make(Node::Kind::mapping, mark, anchor), mark);
    }
    void OnMapEnd() override { close(); }

private:
    struct Open {
        Node *node;
        YAML::Mark mark;
        const Node *key; ///< waits for its value
    };

    Node &make(Node::Kind kind, const YAML::Mark &mark, YAML::anchor_t anchor) {
        Node &node = nodes_.emplace_back();
        node.kind = kind;
        node.line = mark.line + 1;
        node.column = mark.column + 1;
        if (anchor != YAML::NullAnchor)
            anchors_.insert_or_assign(anchor, &node);
        return node;
    }

    void open(Node &node, const YAML::Mark &mark) {
        if (open_.size() >= deepest)
            throw Error(where_of(file_, mark), "nested deeper than {} levels", deepest);
        open_.push_back({&node, mark, nullptr});
    }

    void close() {
        const Open closed = open_.back();
        open_.pop_back();
        place(*closed.node, closed.mark);
    }

    /// Hangs a finished node into the collection that is open.
    void place(const Node &node, const YAML::Mark &mark) {
        if (open_.empty()) {
            root = &node;
            return;
        }
        Open &parent = open_.back();
        parent.node->weight += node.weight;
        if (parent.node->weight > heaviest)
            throw Error(where_of(file_, mark), "more than {} values, those of aliases included", heaviest);
        if (parent.node->kind == Node::Kind::sequence)
            parent.node->items.push_back(&node);
        else if (parent.key == nullptr)
            parent.key = &node;
        else
            parent.node->entries.emplace_back(std::exchange(parent.key, nullptr), &node);
    }

    std::deque<Node> &nodes_;
    const std::string &file_;
    std::vector<Open> open_;
    std::map<YAML::anchor_t, Node *> anchors_;
};

} // namespace

std::string_view kind_name(const Node &node) noexcept {
    switch (node.kind) {
    case Node::Kind::empty:
        return "nothing";
    case Node::Kind::scalar:
        return "a single value";
    case Node::Kind::sequence:
        return "a list";
    case Node::Kind::mapping:
        break;
    }
    return "a mapping";
}

Document::Document(std::string_view text, const std::string &file_name) {
    if (text.size() > largest_text)
        throw Error(Where{file_name}, "larger than {} MiB", largest_text >> 20);
    Builder builder(nodes_, file_name);
    try {
        std::istringstream stream{std::string(text)};
        YAML::Parser parser(stream);
        while (parser.HandleNextDocument(builder)) {
        }
    } catch (const YAML::Exception &error) {
        throw Error(where_of(file_name, error.mark), "not valid YAML: {}", shown(error.msg));
    }
    root_ = builder.root;
    if (root_ == nullptr || root_->kind == Node::Kind::empty)
        throw Error(Where{file_name}, "the file is empty (nbdmpathd.yaml(5) has an example)");
}

} // namespace config
