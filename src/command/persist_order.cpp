// SPDX-License-Identifier: BSD-3-Clause
#include "command/persist_order.hpp"

#include "base/error.hpp"
#include "base/text.hpp"

#include <charconv>
#include <getopt.h>
#include <optional>
#include <vector>

namespace command {

namespace {

using block::ReserveIn;
using block::ReserveOut;

constexpr std::size_t longest_quote = 64;
constexpr std::uint64_t most_length = 8192;

const option long_options[] = {
    {"in", no_argument, nullptr, 'i'},
    {"out", no_argument, nullptr, 'o'},
    {"device", required_argument, nullptr, 'd'},
    {"register", no_argument, nullptr, 'G'},
    {"register-ignore", no_argument, nullptr, 'I'},
    {"reserve", no_argument, nullptr, 'R'},
    {"release", no_argument, nullptr, 'L'},
    {"clear", no_argument, nullptr, 'C'},
    {"preempt", no_argument, nullptr, 'P'},
    {"preempt-abort", no_argument, nullptr, 'A'},
    {"read-keys", no_argument, nullptr, 'k'},
    {"read-reservation", no_argument, nullptr, 'r'},
    {"read-full-status", no_argument, nullptr, 's'},
    {"report-capabilities", no_argument, nullptr, 'c'},
    {"param-rk", required_argument, nullptr, 'K'},
    {"param-sark", required_argument, nullptr, 'S'},
    {"prout-type", required_argument, nullptr, 'T'},
    {"param-aptpl", no_argument, nullptr, 'Z'},
    {"param-alltgpt", no_argument, nullptr, 'Y'},
    {"alloc-length", required_argument, nullptr, 'l'},
    {"hex", no_argument, nullptr, 'H'},
    {"verbose", required_argument, nullptr, 'v'},
    {"transport-id", required_argument, nullptr, 'X'},
    {"batch-file", required_argument, nullptr, 'f'},
    {nullptr, 0, nullptr, 0},
};
constexpr const char *short_options = ":iod:GIRLCPAkrscK:S:T:ZYl:Hv:X:f:";

struct Action {
    char letter;
    std::optional<ReserveOut> out;
    ReserveIn in = ReserveIn::keys;
};
constexpr Action actions[] = {
    {'G', ReserveOut::register_key, {}},  {'I', ReserveOut::register_ignore, {}},
    {'R', ReserveOut::reserve, {}},       {'L', ReserveOut::release, {}},
    {'C', ReserveOut::clear, {}},         {'P', ReserveOut::preempt, {}},
    {'A', ReserveOut::preempt_abort, {}}, {'k', {}, ReserveIn::keys},
    {'r', {}, ReserveIn::reservation},    {'s', {}, ReserveIn::full_status},
    {'c', {}, ReserveIn::capabilities},
};

std::uint64_t parse_hexadecimal(std::string_view option, std::string_view text) {
    const std::string_view digits = text.starts_with("0x") || text.starts_with("0X") ? text.substr(2) : text;
    std::uint64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value, 16);
    if (digits.empty() || error != std::errc() || end != digits.data() + digits.size())
        throw base::Error(EINVAL, "{}: '{}' is not hexadecimal of up to 8 bytes", option,
                          text.substr(0, longest_quote));
    return value;
}

/// One parse of one command's arguments.
class Parser {
public:
    explicit Parser(std::span<const std::string> arguments)
        : words_(arguments.begin(), arguments.end()) {
        words_.insert(words_.begin(), "persist");
        for (std::string &word : words_)
            pointers_.push_back(word.data());
        pointers_.push_back(nullptr);
    }

    PersistOrder parse() {
        optind = 0; // begins anew, in the GNU way
        opterr = 0;
        const int count = static_cast<int>(words_.size());
        for (int letter;
             (letter = ::getopt_long(count, pointers_.data(), short_options, long_options, nullptr)) != -1;)
            take(letter);
        for (int at = optind; at < count; ++at)
            name_map(pointers_[static_cast<std::size_t>(at)]);
        finish();
        return order_;
    }

private:
    void take(int letter) {
        switch (letter) {
        case 'i':
        case 'o':
            (letter == 'i' ? in_ : out_) = true;
            return;
        case 'd':
            name_map(optarg);
            return;
        case 'K':
            order_.out.key = parse_hexadecimal("param-rk", optarg);
            return;
        case 'S':
            order_.out.service_key = parse_hexadecimal("param-sark", optarg);
            has_service_key_ = true;
            return;
        case 'T':
            take_type(optarg);
            return;
        case 'Z':
            order_.out.keep_through_power_loss = true;
            return;
        case 'Y':
            order_.out.all_target_ports = true;
            return;
        case 'l':
            take_length(optarg);
            return;
        case 'H':
            order_.hexadecimal = true;
            return;
        case 'v':
            return;
        default:
            take_action(letter);
        }
    }

    void take_action(int letter) {
        for (const Action &action : actions)
            if (action.letter == letter) {
                if (action_ != nullptr)
                    throw base::Error(EINVAL, "one thing at a time: there are two actions");
                action_ = &action;
                return;
            }
        const std::string_view word = pointers_[static_cast<std::size_t>(optind - 1)];
        const std::string_view quote = word.substr(0, longest_quote);
        if (letter == 'X')
            throw base::Error(EINVAL, "registering other initiators (transport-id) is not supported");
        if (letter == 'f')
            throw base::Error(EINVAL, "batch-file: give the commands to nbdmpathctl's standard input");
        if (letter == ':')
            throw base::Error(EINVAL, "{} needs a value", quote);
        throw base::Error(EINVAL, "unknown option '{}'", quote);
    }

    void take_type(const char *text) {
        const auto type = base::parse_number(text);
        if (!type ||
            block::reservation_type_name(static_cast<unsigned>(std::min<std::uint64_t>(*type, 16))).empty())
            throw base::Error(EINVAL, "prout-type: '{}' is none of 1, 3, 5, 6, 7, 8",
                              std::string_view(text).substr(0, longest_quote));
        order_.out.type = static_cast<std::uint8_t>(*type);
    }

    void take_length(const char *text) {
        const auto length = base::parse_number(text);
        if (!length || *length < 8 || *length > most_length)
            throw base::Error(EINVAL, "alloc-length: '{}' is not from 8 to {}",
                              std::string_view(text).substr(0, longest_quote), most_length);
        order_.length = static_cast<std::uint16_t>(*length);
    }

    void name_map(std::string_view word) {
        if (!order_.map.empty())
            throw base::Error(EINVAL, "one map at a time, not '{}' and '{}'", order_.map,
                              word.substr(0, longest_quote));
        // As scripts for dm-multipath name it.
        constexpr std::string_view folder = "/dev/mapper/";
        order_.map = word.starts_with(folder) ? word.substr(folder.size()) : word;
    }

    void finish() {
        if (in_ == out_)
            throw base::Error(EINVAL, "either --in or --out");
        if (action_ == nullptr || action_->out.has_value() != out_)
            throw base::Error(EINVAL, "{}",
                              out_ ? "--out needs one of --register, --register-ignore, --reserve, "
                                     "--release, --clear, --preempt, --preempt-abort"
                                   : "--in needs one of --read-keys, --read-reservation, "
                                     "--read-full-status, --report-capabilities");
        if (order_.map.empty())
            throw base::Error(EINVAL, "a map must be named");
        order_.changes = out_;
        order_.in = action_->in;
        if (out_)
            finish_out();
    }

    void finish_out() {
        block::ReserveOutOrder &out = order_.out;
        out.action = *action_->out;
        const bool registers =
            out.action == ReserveOut::register_key || out.action == ReserveOut::register_ignore;
        const bool preempts = out.action == ReserveOut::preempt || out.action == ReserveOut::preempt_abort;
        if ((registers || preempts) && !has_service_key_)
            throw base::Error(EINVAL, "--param-sark is missing");
        if (!registers && out.key == 0)
            throw base::Error(EINVAL, "--param-rk is missing");
        if (!registers && out.action != ReserveOut::clear && out.type == 0)
            throw base::Error(EINVAL, "--prout-type is missing");
    }

    std::vector<std::string> words_;
    std::vector<char *> pointers_;
    PersistOrder order_;
    bool in_ = false;
    bool out_ = false;
    bool has_service_key_ = false;
    const Action *action_ = nullptr;
};

} // namespace

PersistOrder parse_persist(std::span<const std::string> arguments) { return Parser(arguments).parse(); }

} // namespace command
