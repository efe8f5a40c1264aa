// SPDX-License-Identifier: BSD-3-Clause
// Stands in for libFuzzer where it is not: the corpus, then a fixed number of changed copies of it, always
// the same.
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t *data, std::size_t size);

namespace {

using Random = std::minstd_rand;

void run(const std::string &input) {
    (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t *>(input.data()), input.size());
}

std::size_t below(Random &random, std::size_t bound) { return bound == 0 ? 0 : random() % bound; }

std::string changed(std::string text, const std::string &other, Random &random) {
    for (std::size_t changes = 1 + below(random, 4); changes > 0; --changes) {
        const std::size_t at = below(random, text.size() + 1);
        const std::size_t length = 1 + below(random, 8);
        switch (below(random, 4)) {
        case 0:
            text.insert(at, 1, static_cast<char>(random()));
            break;
        case 1:
            text.erase(at, length);
            break;
        case 2:
            if (at < text.size())
                text[at] = static_cast<char>(random());
            break;
        default:
            text.insert(at, other, below(random, other.size() + 1), length);
        }
    }
    return text;
}

} // namespace

int main(int count, char **words) {
    if (count != 2) {
        std::fprintf(stderr, "usage: %s CORPUS-DIRECTORY\n", words[0]);
        return 2;
    }
    std::vector<std::string> corpus;
    for (const auto &entry : std::filesystem::directory_iterator(words[1])) {
        std::ifstream file(entry.path(), std::ios::binary);
        corpus.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
    if (corpus.empty()) {
        std::fprintf(stderr, "%s: no corpus\n", words[1]);
        return 1;
    }
    for (const std::string &input : corpus)
        run(input);
    Random random(1);
    constexpr int changed_copies = 3000;
    for (int i = 0; i < changed_copies; ++i)
        run(changed(corpus[below(random, corpus.size())], corpus[below(random, corpus.size())], random));
    return 0;
}
