// SPDX-License-Identifier: BSD-3-Clause
#include "backend/backend_list.hpp"

#include "backend/file_request.hpp"
#include "backend/open_file.hpp"
#include "base/buffer_pool.hpp"
#include "base/error.hpp"
#include "base/object_pool.hpp"
#include "block/completion_queue.hpp"
#include "io/worker.hpp"

#include <algorithm>
#include <cassert>

namespace backend {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_delay{50};
constexpr std::size_t bounce_memory = std::size_t{16} << 20;
constexpr std::size_t largest_bounce = std::size_t{64} << 10;

DirectIo parse_direct(std::string_view text) {
    if (text == "auto")
        return DirectIo::automatic;
    if (text == "true" || text == "false")
        return text == "true" ? DirectIo::yes : DirectIo::no;
    throw base::Error(EINVAL, "direct: '{}' is not one of auto, true, false", text);
}

/// A regular file or block device as the end of a path. What cannot block is done inside submit(), the rest
/// by the worker's file engine. An open file goes down when its device vanishes or it becomes shorter; it is
/// then opened anew.
class FileBackend final : public Backend {
public:
    FileBackend(io::Worker &worker, const Settings &settings)
        : worker_(worker)
        , engine_(worker.file_engine())
        , path_(path_of_file_uri(settings.uri))
        , direct_(parse_direct(settings.values.get<std::string>("direct")))
        , longest_delay_(std::max(first_delay, settings.values.get<milliseconds>("reconnect_delay"))) {}
    ~FileBackend() override {
        assert((state_ == State::idle || state_ == State::closed) && in_flight_ == 0 && completions_.empty());
    }

    void open(Observer &observer) override {
        assert(state_ == State::idle);
        observer_ = &observer;
        state_ = State::down;
        worker_.post(connect_);
    }
    void close(base::Delegate<> closed) noexcept override {
        connect_.withdraw();
        retry_.cancel();
        closed_ = closed;
        state_ = State::closing;
        worker_.post(settle_);
    }

    void submit(block::Request &request) noexcept override;
    [[nodiscard]] const block::Geometry &geometry() const noexcept override { return file_.geometry; }
    [[nodiscard]] std::uint64_t generation() const noexcept override { return generation_; }
    [[nodiscard]] bool up() const noexcept override { return state_ == State::up; }
    [[nodiscard]] std::size_t in_flight() const noexcept override { return in_flight_; }

private:
    enum class State : std::uint8_t { idle, down, up, closing, closed };

    /// A request between submit() and its end.
    struct Work {
        Work(FileBackend &backend, block::Request &request, std::byte *bounce,
             std::size_t bounce_size) noexcept
            : owner(backend)
            , steps(backend.file_, request, bounce, bounce_size) {
            steps.call.done = base::Delegate<>::to<&Work::call_done>(*this);
        }
        void call_done() noexcept {
            steps.take_result();
            owner.advance(*this);
        }
        FileBackend &owner;
        FileRequest steps;
    };

    void begin(block::Request &request) noexcept;
    void begin_held() noexcept;
    void advance(Work &work) noexcept;
    void finish(Work &work) noexcept;
    void end(block::Request &request, block::Status status) noexcept;
    [[nodiscard]] bool needs_bounce(const block::Request &request) const noexcept;

    void connect() noexcept;
    void retry_later() noexcept;
    void lost(const char *why) noexcept;
    void settle() noexcept;

    io::Worker &worker_;
    io::FileEngine &engine_;
    const std::string path_;
    const DirectIo direct_;
    const milliseconds longest_delay_;

    Observer *observer_ = nullptr;
    base::Delegate<> closed_;
    State state_ = State::idle;
    bool down_told_ = false;
    const char *loss_ = nullptr; // why the open file is of no use any more
    milliseconds delay_ = first_delay;
    std::uint64_t generation_ = 0;

    OpenFile file_;
    base::ObjectPool<Work> works_;
    base::BufferPool bounce_pool_{worker_, bounce_memory};
    base::List<block::Request> held_; // wait for a bounce buffer
    std::size_t in_flight_ = 0;
    block::CompletionQueue completions_{worker_};
    base::Task connect_{base::Delegate<>::to<&FileBackend::connect>(*this)};
    base::Task settle_{base::Delegate<>::to<&FileBackend::settle>(*this)};
    base::Task begin_held_{base::Delegate<>::to<&FileBackend::begin_held>(*this)};
    base::Timer retry_{worker_, base::Delegate<>::to<&FileBackend::connect>(*this)};
};

void FileBackend::submit(block::Request &request) noexcept {
    if (state_ != State::up)
        return completions_.add(request, block::Status::path_lost());
    ++in_flight_;
    if (held_.empty())
        begin(request);
    else
        held_.push_back(request);
}

bool FileBackend::needs_bounce(const block::Request &request) const noexcept {
    const bool moves_data =
        request.operation == block::Operation::read || request.operation == block::Operation::write;
    return file_.direct && moves_data &&
           reinterpret_cast<std::uintptr_t>(request.data) % file_.geometry.minimum_block != 0;
}

void FileBackend::begin(block::Request &request) noexcept {
    std::byte *bounce = nullptr;
    std::size_t size = 0;
    if (needs_bounce(request)) {
        size = std::min<std::size_t>(request.length, largest_bounce);
        bounce = bounce_pool_.take(size);
        if (bounce == nullptr && bounce_pool_.used() == 0)
            return end(request, block::classify_errno(ENOMEM)); // nobody will give one back
        if (bounce == nullptr) {
            held_.push_front(request);
            return bounce_pool_.wait(begin_held_);
        }
    }
    advance(works_.make(*this, request, bounce, size));
}

void FileBackend::begin_held() noexcept {
    while (!held_.empty() && !begin_held_.pending())
        begin(held_.pop_front());
}

void FileBackend::advance(Work &work) noexcept {
    while (work.steps.prepare()) {
        if (!work.steps.may_run_inline())
            return engine_.submit(work.steps.call);
        work.steps.call.result = io::execute(work.steps.call);
        work.steps.take_result();
    }
    finish(work);
}

void FileBackend::finish(Work &work) noexcept {
    const block::Status status = work.steps.status();
    block::Request &request = work.steps.request();
    const bool shorter = work.steps.hit_the_end();
    if (work.steps.bounce() != nullptr)
        bounce_pool_.give_back(work.steps.bounce(), work.steps.bounce_size());
    works_.end(work);
    end(request, status);
    if (shorter)
        lost("the file has become shorter");
    else if (status.error == ENODEV || status.error == ENXIO || status.error == ESTALE)
        lost("the device has vanished");
}

void FileBackend::end(block::Request &request, block::Status status) noexcept {
    --in_flight_;
    completions_.add(request, status);
    if (state_ != State::up && in_flight_ == 0)
        worker_.post(settle_);
}

void FileBackend::connect() noexcept {
    try {
        file_ = open_file(path_, direct_);
    } catch (const std::exception &error) {
        if (!down_told_) {
            down_told_ = true;
            observer_->path_down(*this, error.what());
        }
        return retry_later();
    }
    state_ = State::up;
    down_told_ = false;
    delay_ = first_delay;
    observer_->path_up(*this);
}

void FileBackend::retry_later() noexcept {
    if (state_ != State::down)
        return; // the observer has closed us
    retry_.start_in(delay_);
    delay_ = std::min(2 * delay_, longest_delay_);
}

void FileBackend::lost(const char *why) noexcept {
    if (state_ != State::up)
        return;
    state_ = State::down;
    loss_ = why;
    ++generation_;
    worker_.post(settle_);
}

/// What must not happen inside a call from above: telling of a loss, and the end, after the last completion.
void FileBackend::settle() noexcept {
    if (!completions_.empty())
        return worker_.post(settle_);
    if (state_ == State::down && !down_told_) {
        down_told_ = true;
        observer_->path_down(*this, fmt::format("{}: {}", path_, loss_));
    }
    if (in_flight_ != 0)
        return; // end() comes back here
    file_.close();
    if (state_ == State::down && !retry_.active())
        retry_later();
    if (state_ == State::closing) {
        state_ = State::closed;
        const base::Delegate<> closed = closed_;
        closed(); // may destroy this object
    }
}

constexpr std::string_view schemes[] = {"file"};

constexpr base::Key keys[] = {
    {"direct", base::KeyKind::text, "auto",
     "past the page cache (O_DIRECT): true, false, or auto: true for block devices, false for files"},
    {"reconnect_delay", base::KeyKind::duration, "1s",
     "longest time between two attempts to open; they begin 50 ms apart and double"},
};

std::string cache_identity(std::string_view uri, const base::KeyValues &values) {
    const DirectIo direct =
        values.has("direct") ? parse_direct(values.get<std::string>("direct")) : DirectIo::automatic;
    return file_cache_identity(path_of_file_uri(uri), direct);
}

} // namespace

const Type file{
    "file",
    schemes,
    "a local regular file or block device, file:///path",
    keys,
    [](std::string_view uri) { static_cast<void>(path_of_file_uri(uri)); },
    cache_identity,
    [](const base::KeyValues &values) { static_cast<void>(parse_direct(values.get<std::string>("direct"))); },
    [](io::Worker &worker, const Settings &settings) -> std::unique_ptr<Backend> {
        return std::make_unique<FileBackend>(worker, settings);
    },
};

} // namespace backend
