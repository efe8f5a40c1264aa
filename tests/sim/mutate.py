#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Does the simulator find bugs? Plants one at a time into a copy of the core and demands that a run fails.

    tests/sim/mutate.py [--dir DIR] [--runs N] [NAME…]

A row is what it is, the file under src/multipath, the code that is replaced, and by what. Code that changed so
that a row no longer fits is an error: give the row its new text. Takes some minutes of one processor; not part of the
suite.
"""
import argparse
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

MUTATIONS = [
    # Choice of a path.
    ('next group is kept after use', 'table.cpp',
     'PriorityGroup &wanted = *std::exchange(next_group_, nullptr);', 'PriorityGroup &wanted = *next_group_;'),
    ('no second pass over bypassed groups', 'table.cpp',
     'for (const bool bypassed : {false, true}) {', 'for (const bool bypassed : {false}) {'),
    ('bypassed groups are not avoided', 'table.cpp',
     'if (group->bypassed != bypassed)', 'if (bypassed)'),
    ('a failed path stays current', 'table.cpp',
     '    if (current_path_ == &path)\n        current_path_ = nullptr;\n    return true;', '    return true;'),
    ('a failed path is still offered', 'table.cpp',
     '    path.group->selector->fail_path(path.index);\n    path.active = false;\n    ++path.fail_count;',
     '    path.active = false;\n    ++path.fail_count;'),
    ('a bypass keeps the current group', 'table.cpp',
     'group.bypassed = bypassed;\n    forget_group_unless_held();', 'group.bypassed = bypassed;'),
    ('switch_group leaves groups bypassed', 'table.cpp',
     '    for (const auto &each : groups_)\n        each->bypassed = false;\n', ''),
    ('a probe does not keep its group', 'table.cpp', 'if (group_held_)', 'if (false)'),
    ('without paths queue_io stays', 'table.cpp', 'queue_io_ = false; // R5', '// R5'),
    ('pg_init_count survives a change of group', 'table.cpp', '        rounds_ = 0;\n', ''),
    ('failures are counted twice', 'table.cpp', '++path.fail_count;', 'path.fail_count += 2;'),
    ('swap ignores path states', 'map_gate.cpp', '    live_->refresh(devices_);\n', ''),
    ('a group lost before its activation is not replaced', 'table.cpp', ' || valid_paths_ == 0 || queue_io_)', ' || valid_paths_ == 0)'),
    # Requests.
    ('a held request is lost', 'map.cpp', '    held_.push_back(request);\n    ++queue_size_;',
     '    if (++queue_size_ % 8 != 0)\n        held_.push_back(request);'),
    ('a request is queued twice', 'map.cpp',
     '        hold(request);\n        if (!live_->queue_io() || live_->activation_required())\n            kick();\n    }\n}',
     '        hold(request);\n        ++queue_size_;\n        kick();\n    }\n}'),
    ('a path error is told to the client', 'map.cpp', '    else\n        requeue(request, status);',
     '    else if (request.length == 24)\n        request.complete(status);\n    else\n        requeue(request, status);'),
    ('retries on one path never end', 'map.cpp', 'request.retries < status.retries && path.active', 'path.active'),
    ('retries are remembered on the next path', 'map.cpp', '    request.retries = 0;\n    const bool push_back',
     '    const bool push_back'),
    ('a shortage is not waited for', 'map.cpp', 'constexpr auto shortage_delay = 100ms;', 'constexpr auto shortage_delay = 0ms;'),
    ('a path error fails no path', 'map.cpp', '    if (had_path)\n        fail(*static_cast<Path *>(request.popped()));', ''),
    ('in-flight numbers do not come down', 'map.cpp',
     '    path.group->selector->end_io(path.index, load, started, scheduler_.now());\n', ''),
    ('held requests leave in reverse order', 'map.cpp', '    held_.push_back(request);\n    ++queue_size_;',
     '    held_.push_front(request);\n    ++queue_size_;'),
    ('no kick when the first path returns', 'map_paths.cpp', '    if (was_last && queue_size_ != 0)\n        kick();\n', ''),
    ('no kick when queueing ends', 'map_paths.cpp', '    if (!on && queue_size_ != 0)\n        kick();\n', ''),
    ('drop_held forgets what is delayed', 'map.cpp', '    drop_from(delayed_, queue_size_);\n', ''),
    ('drop_held forgets what was deferred', 'map.cpp', '    drop_from(deferred_, gated_);\n', ''),
    ('read-ahead waits for the resume', 'map.cpp', 'request.operation == block::Operation::cache)\n        finished_',
     'false)\n        finished_'),
    ('the handler is not asked', 'map.cpp', 'handler == nullptr || handler->may_send(*path.device)', 'true'),
    ('a refused request says EIO', 'map.cpp', 'path_lost(ENOLINK)', 'path_error(EIO)'),
    # An EIO in doubt.
    ('an EIO of one path alone fails none', 'map_doubt.cpp', '        fail(*first); // the', '        (void)first; // the'),
    ('a doubt asks the same device again', 'map_doubt.cpp', 'other->device != path.device', 'other.get() != &path'),
    ('an EIO to a dead client is doubted', 'map_doubt.cpp', 'is_eio && !request.origin()->abandoned() ?', 'is_eio ?'),
    ('a path in doubt that reads no more stays', 'map_doubt.cpp', '    if (!second_reads)\n        fail(second);\n',
     '    (void)second_reads;\n'),
    ('a doubt goes to another cache', 'map_doubt.cpp', 'live_->handler() != nullptr || options_.independent_caches)\n        return',
     'live_->handler() != nullptr)\n        return'),
    # Changes of data that may land late.
    ('a locked range bars nobody', 'range_locks.cpp', 'return request.changes_data() && std::ranges', 'return false && std::ranges'),
    ('a locked range bars reads', 'range_locks.cpp', 'return request.changes_data() && std::ranges', 'return std::ranges'),
    ('a locked range ends a block early', 'range_locks.cpp', '.end = request.offset + request.length', '.end = request.offset + request.length - 8'),
    ('a replay is barred by itself', 'range_locks.cpp', 'lock.id != request.range_lock && ', ''),
    ('a lock ends too early', 'range_locks.cpp', 'scheduler_.now() + time)', 'scheduler_.now() + time * 9 / 10)'),
    ('a replay in doubt does not prolong its lock', 'range_locks.cpp', 'std::max(lock.until, scheduler_.now() + time)',
     'lock.until == base::TimePoint{} ? scheduler_.now() + time : lock.until'),
    ('a replay in doubt has two locks', 'range_locks.cpp', 'request.range_lock != 0 && found', 'false && found'),
    ('what a dead client left with a path bars nobody', 'map.cpp', '    lock_what_paths_have(origin);\n', ''),
    ('what any client has with a path is locked', 'map_doubt.cpp', 'if (change.request.origin() == &origin)', 'if (&origin != nullptr)'),
    ('a lock outlives the request of a dead client', 'map_doubt.cpp', '        range_locks_.ended(request);\n', '        (void)request;\n'),
    ('the lock of a dead client\'s request has an end', 'range_locks.cpp', 'return !lock.at_path && lock.until', 'return lock.until'),
    ('fail does not lock', 'map_doubt.cpp', 'options_.ambiguous_writes != AmbiguousWrites::retry;', 'options_.ambiguous_writes == AmbiguousWrites::hold;'),
    ('fail sends again', 'map.cpp', 'if (never_again || (ends', 'if ((never_again && ends) || (ends'),
    ('an answered error is a doubt', 'map_doubt.cpp', 'status.outcome == block::Outcome::path_in_doubt &&', 'status.is_path_error() &&'),
    ('a doubt is not told', 'map_doubt.cpp', '        tell("WRITE_IN_DOUBT",', '        if (request.operation == block::Operation::write)\n            tell("WRITE_IN_DOUBT",'),
    ('barred requests return in reverse order', 'map.cpp', '        barred_.push_back(request);', '        barred_.push_front(request);'),
    ('barred requests are not counted', 'map.cpp', 'return queue_size_ + barred_size_ + gated_;', 'return queue_size_ + gated_;'),
    ('drop_held forgets what is barred', 'map.cpp', '    drop_from(barred_, barred_size_);\n', ''),
    ('a suspend without flush waits for ranges', 'map_gate.cpp', '    gated_ += std::exchange(barred_size_, 0);\n    pushed_back_.take_all(barred_);\n', ''),
    ('a suspend leaves barred requests behind', 'map_gate.cpp', 'queue_size_ != 0 || barred_size_ != 0 ||', 'queue_size_ != 0 ||'),
    ('what a locked range held up ends no suspend', 'map_doubt.cpp', '        admit(waiting.pop_front());\n    if (gate_ == Gate::suspending)\n        go_on_soon();',
     '        admit(waiting.pop_front());'),
    # Suspend and resume.
    ('queueing is not restored at resume', 'map_gate.cpp', '        live_->resume_queueing();', '        (void)live_;'),
    ('a second suspend saves queueing again', 'table.hpp', 'void suspend_queueing() noexcept { queue_if_no_path_ = false; }',
     'void suspend_queueing() noexcept { saved_queue_if_no_path_ = queue_if_no_path_ = false; }'),
    ('a suspend does not wait for requests', 'map_gate.cpp', 'if (in_flight_ != 0 || queue_size_ != 0', 'if (queue_size_ != 0'),
    ('a suspend does not wait for an activation', 'map_gate.cpp',
     'return activation_ == nullptr || !activation_->running();', 'return true;'),
    ('what was pushed back comes last', 'map_gate.cpp',
     '    waiting.take_all(pushed_back_);\n    waiting.take_all(deferred_);',
     '    waiting.take_all(deferred_);\n    waiting.take_all(pushed_back_);'),
    ('a suspend without flush fails requests', 'map.cpp', 'if (gate_ != Gate::suspending || !noflush_)', 'if (true)'),
    ('a suspend ends, and is not told', 'map_gate.cpp', '    end(operations_.pop_front(), result);',
     '    operations_.pop_front();\n    (void)result;'),
    ('a withdrawn suspend is not undone', 'map_gate.cpp', '        reopen();\n    go_on_soon();', '        (void)gate_;\n    go_on_soon();'),
    ('the swap does not wait for a returned path', 'map_gate.cpp',
     'if (activation_ && activation_->running())', 'if (false)'),
    ('requests go on while suspending', 'map.cpp', '    if (gate_ == Gate::open)\n        admit',
     '    if (gate_ != Gate::suspended)\n        admit'),
    # Activation.
    ('activation rounds are not bounded', 'table.hpp', 'return rounds_ <= pg_init_retries_;', 'return rounds_ < 1000;'),
    ('RETRY does not wait', 'map_paths.cpp', '            live_->delay_next_round();', '            (void)live_;'),
    ('an activation that asks for another gets none', 'map_paths.cpp', '        live_->require_activation();\n', ''),
    ('the group is never ready', 'map_paths.cpp', '            live_->group_is_ready();', '            (void)live_;'),
    ('only one path of the group is activated', 'activation.cpp',
     '        if (!path->active)\n            continue;', '        if (!path->active || running_ != 0)\n            continue;'),
    ('a returned path is not activated', 'map_paths.cpp', '        activation_->activate(path);', '        (void)path;'),
    ('a failed activation fails no path', 'map_paths.cpp', '    default:\n        fail(path);', '    default:\n        break;'),
    ('a busy group is not bypassed', 'map_paths.cpp', '        path.group->bypassed = true;\n', ''),
    ('pass-through starts no activation', 'map_paths.cpp', '        start_round_if_due();\n        error = EAGAIN;', '        error = EAGAIN;'),
    ('a delayed round takes the next along', 'activation.cpp', '            due.push_back(attempt.get());',
     '            start(*attempt);'),
    # Events, timers, probe.
    ('an event is not counted', 'map_paths.cpp', '    if (counted)\n        ++event_number_;',
     '    if (counted && action != "PG_ENABLED")\n        ++event_number_;'),
    ('the no-path timeout does not start', 'map_paths.cpp',
     '        no_path_timer_.start_in(options_.no_path_timeout);', '        (void)options_;'),
    ('a path does not stop the no-path timeout', 'map_paths.cpp',
     '        return;\n    no_path_timer_.cancel();\n', '        return;\n'),
    ('queueing does not return with the first path', 'map_paths.cpp', '        set_queueing(true);\n    }\n    if (was_last',
     '    }\n    if (was_last'),
    ('a probe fails no path', 'map_paths.cpp', '    if (status.is_path_error())\n        fail(path);', '    (void)path;\n    (void)status;'),
    ('a held-down path comes back by itself', 'map_paths.cpp', 'if (!path.held_down && !path.barred)', 'if (!path.barred)'),
    # Caches.
    ('FUA does not flush the others', 'map.cpp', '            dirty_.flush(request, path.device);\n            return;', '            (void)path;'),
    ('a flush ends before the last device', 'dirty_paths.cpp', 'if (--flushes_in_flight_ == 0)', 'if (--flushes_in_flight_ <= 1 && !running_.empty())'),
    ('a restarted device is not noticed', 'dirty_paths.cpp', 'return mark.device->generation() != mark.generation;', 'return mark.device == nullptr;'),
    ('a failed flush counts as done', 'dirty_paths.cpp', '(!status.ok() || mark', '(mark'),
    ('a flush joins the round that runs', 'dirty_paths.cpp', '    next_.push_back(request);', '    (flushes_in_flight_ == 0 ? next_ : running_).push_back(request);'),
    ('a suspend leaves data in caches', 'map_gate.cpp', '        dirty_.flush_all();\n        return false;', ''),
]


def copy_tree(source, target):
    names = subprocess.run(['git', 'ls-files', '-co', '--exclude-standard'], cwd=source, check=True,
                           capture_output=True, text=True).stdout.split('\n')
    for name in filter(None, names):
        there = target / name
        if not (source / name).is_file() or there.is_file() and there.read_bytes() == (source / name).read_bytes():
            continue
        there.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, there)  # newer than what was built of it
        shutil.copymode(source / name, there)


def check_rows(tree):
    for name, file, old, _ in MUTATIONS:
        times = (tree / 'src/multipath' / file).read_text().count(old)
        if times != 1:
            sys.exit(f'{name}: the code occurs {times} times in {file}; renew the row')


def build(tree):
    return subprocess.run(['ninja', '-j1', '-C', tree / 'build', 'tests/sim/simulate'], capture_output=True, text=True)


def simulate(tree, runs):
    result = subprocess.run([tree / 'build/tests/sim/simulate', '--seed', '1', '--runs', str(runs), '--no-shrink'],
                            capture_output=True, text=True)
    if result.returncode == 0:
        return None
    found = re.search(r'after (\d+) runs: .*?fails: (.*)', result.stdout)
    return (int(found[1]), found[2]) if found else (0, result.stdout + result.stderr)


def main():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument('--dir', help='where to build; kept, so that the next time is faster')
    parser.add_argument('--runs', type=int, default=40000, help='how many runs a bug may survive')
    parser.add_argument('names', nargs='*', help='parts of names; all without')
    options = parser.parse_args()

    tree = pathlib.Path(options.dir or tempfile.mkdtemp(prefix='nbdmpath-mutants-'))
    copy_tree(pathlib.Path(__file__).resolve().parents[2], tree)
    check_rows(tree)
    if not (tree / 'build/build.ninja').exists():
        subprocess.run(['meson', 'setup', tree / 'build', tree, '-Doptimization=0', '-Ddebug=false', '-Db_ndebug=false'],
                       check=True, stdout=subprocess.DEVNULL)
    survived = 0
    for name, file, old, new in [('no mutation', 'map.cpp', '', '')] + MUTATIONS:
        if options.names and old and not any(part in name for part in options.names):
            continue
        path = tree / 'src/multipath' / file
        original = path.read_text()
        try:
            if old:
                path.write_text(original.replace(old, new))
            built = build(tree)
            if built.returncode != 0:
                sys.exit(f'{name}: does not compile\n{built.stdout}')
            found = simulate(tree, options.runs)
        finally:
            path.write_text(original)
        as_it_should = (found is None) == (not old)
        survived += not as_it_should
        result = f'after {found[0]} runs: {found[1]}' if found else 'nothing found'
        print(f'{"ok" if as_it_should else "FAILED"}  {name}: {result}', flush=True)
    build(tree)
    if not options.dir:
        shutil.rmtree(tree)
    return 1 if survived else 0


if __name__ == '__main__':
    sys.exit(main())
