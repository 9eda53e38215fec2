"""Our scoring against the usual harness's way, on the same generations, in one run.

The usual way (bigcode-evaluation-harness, octopack's scorer) starts a process per Python sample, shares its result
through a ``multiprocessing.Manager``, and per Java sample runs ``javac`` and then ``java``. It is written afresh here;
with ``--peer PATH`` the real package of that checkout is timed instead, where its requirements are installed.

    python benchmarks/scoring.py                                   the sample that ships with the project
    python benchmarks/scoring.py repair-python FILE … --limit 500  released files, the first 500 samples of each
    python benchmarks/scoring.py repair-python FILE … synthesize-python FILE …    one batch of both
    python benchmarks/scoring.py --many 1000000                    memory over that many distinct Python programs

For each side: wall seconds, samples per second, CPU seconds, and the share of verdicts that agree. The lower bound is
the CPU time of the distinct programs that end (each forked once from a warm interpreter, nothing else), over the cores.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib
import io
import itertools
import multiprocessing
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from multiprocessing.managers import ListProxy
from pathlib import Path

from astraios_utils import store
from astraios_utils.sandbox import FAILED, PASSED, TIMEOUT, Program, Sandbox, may_run_long
from astraios_utils.sandbox.kernel import linux
from astraios_utils.scoring.journal import program_key
from astraios_utils.tasks import TASKS, get_task

SAMPLE = (("synthesize-python", "python"), ("repair-python", "python"), ("synthesize-java", "java"))
PEER_WORKERS = {"python": 4, "java": 1}  # the harness's own settings


@dataclass(frozen=True, slots=True)
class Timing:
    """What one side took, wall and CPU seconds, and each sample's status."""

    seconds: float
    cpu: float
    statuses: tuple[str, ...]

    @property
    def passed(self) -> tuple[bool, ...]:
        """Whether each sample passed."""
        return tuple(status == PASSED for status in self.statuses)


def cpu_seconds() -> float:
    """CPU seconds of this process and its children that have ended."""
    both = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in both)


def timed(run: Callable[[Sequence[Program]], list[str]], programs: Sequence[Program]) -> Timing:
    """Run one side and time it."""
    cpu, started = cpu_seconds(), time.perf_counter()
    statuses = run(programs)
    return Timing(time.perf_counter() - started, cpu_seconds() - cpu, tuple(statuses))


# --- ours ------------------------------------------------------------------------------------------------


def ours(programs: Sequence[Program], **sandbox: object) -> list[str]:
    """Each distinct program once, in the sandbox; every sample gets its program's status."""
    keys = [program_key(program) for program in programs]
    distinct = dict(zip(keys, programs, strict=True))
    order, verdicts = sorted(distinct, key=lambda key: not may_run_long(distinct[key])), {}
    with Sandbox(**sandbox) as box:  # type: ignore[arg-type]
        for index, outcome in box.run(distinct[key] for key in order):
            verdicts[order[index]] = outcome.status
    return [verdicts[key] for key in keys]


# --- the usual way, written afresh -----------------------------------------------------------------------


@contextlib.contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise TimeoutError

    signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _child(source: str, timeout: float, result: ListProxy) -> None:  # type: ignore[type-arg]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        sys.stdin = io.StringIO()
        try:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()), _alarm(timeout):
                exec(source, {})
            result.append(True)
        except BaseException:
            result.append(False)
        os.chdir("/")


def _peer_python_one(program: Program) -> bool:
    source = f"{program.preamble}\n{program.sample}\n{program.test}"
    with multiprocessing.Manager() as manager:
        result = manager.list()
        process = multiprocessing.Process(target=_child, args=(source, program.timeout, result))
        process.start()
        process.join(timeout=program.timeout + 1)
        if process.is_alive():
            process.kill()
            process.join()
        return bool(list(result) == [True])


def _peer_java_one(program: Program) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Main.java").write_text(f"{program.sample}\n{program.test}", encoding="utf-8", errors="replace")
        for command, limit in ((["javac", "Main.java"], 5.0), (["java", "-cp", ".", "Main"], program.timeout)):
            try:
                done = subprocess.run(command, cwd=folder, capture_output=True, timeout=limit, check=False)
            except subprocess.TimeoutExpired:
                return False
            if done.returncode:
                return False
    return True


def peer(programs: Sequence[Program]) -> list[str]:
    """Every sample, duplicates too, in its own process, as the harness does; it tells only whether one passed."""
    language = programs[0].language
    one = _peer_python_one if language == "python" else _peer_java_one
    with ThreadPoolExecutor(PEER_WORKERS[language]) as pool:
        return [PASSED if passed else FAILED for passed in pool.map(one, programs)]


def real_peer(checkout: Path) -> Callable[[Sequence[Program]], list[str]]:
    """The harness's own scorer, imported from a checkout of bigcode-evaluation-harness (Python programs only)."""
    sys.path.insert(0, str(checkout))
    module = importlib.import_module("bigcode_eval.tasks.custom_metrics.code_eval")

    def run(programs: Sequence[Program]) -> list[str]:
        os.environ["HF_ALLOW_CODE_EVAL"] = "1"
        predictions = [[f"{p.preamble}\n{p.sample}"] for p in programs]
        _, detail = module.compute_code_eval(
            predictions=predictions,
            references=[p.test for p in programs],
            timeout=programs[0].timeout,
            num_workers=PEER_WORKERS["python"],
        )
        return [PASSED if detail[i][0][1]["passed"] else FAILED for i in range(len(programs))]

    return run


# --- the lower bound -------------------------------------------------------------------------------------


def bound(programs: Sequence[Program]) -> float:
    """CPU seconds of distinct Python programs that end, each forked from a warm interpreter and nothing else."""
    distinct = {program_key(p): p for p in programs}.values()
    for name in ("numpy", "statistics", "hashlib", "heapq", "datetime", "typing", "decimal", "fractions", "random"):
        importlib.import_module(name)
    before = cpu_seconds()
    for program in distinct:
        pid = linux.fork()
        if pid == 0:
            _bound_child(f"{program.preamble}\n{program.sample}\n{program.test}", program.timeout)
        os.waitpid(pid, 0)
    return cpu_seconds() - before


def _bound_child(source: str, timeout: float) -> None:
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
    with contextlib.suppress(BaseException), _alarm(timeout):
        exec(source, {})
    os._exit(0)


# --- the run ---------------------------------------------------------------------------------------------


def load(task_name: str, files: Sequence[Path], limit: int | None, problems: Path | None) -> list[Program]:
    """The programs of the files' samples, in order, duplicates kept."""
    task = get_task(task_name)
    known = task.references(problems)
    programs = []
    for path in files:
        pairs = task.read(path, known).pairs()
        of_file = [task.program(problem, sample) for problem, samples in pairs for sample in samples]
        programs += of_file[:limit]
    return programs


def of_sample(task: str, language: str, limit: int | None = None) -> list[Program]:
    """The programs of a task's generations in the sample that ships with the project."""
    sample = store.data_dir() / "sample"
    return load(task, [sample / "generations" / f"{task}.json"], limit, sample / f"humanevalpack-{language}.jsonl")


def groups(given: Sequence[str]) -> list[tuple[str, list[Path]]]:
    """Files by the task that was named before them."""
    found: list[tuple[str, list[Path]]] = []
    for text in given:
        if text in TASKS:
            found.append((text, []))
        elif not found:
            raise SystemExit(f"{text}: no task; name one before its files ({', '.join(TASKS)})")
        else:
            found[-1][1].append(Path(text))
    return found


def compare(name: str, programs: list[Program], checkout: Path | None, runs_peer: bool) -> None:
    """Time both sides on the same programs and print one block."""
    language, cores = programs[0].language, os.cpu_count() or 1
    distinct = len({program_key(p) for p in programs})
    print(f"\n{name}: {len(programs)} samples, {distinct} distinct programs, {cores} cores", flush=True)
    mine = timed(ours, programs)
    _line("ours", mine, len(programs))
    ending = [p for p, status in zip(programs, mine.statuses, strict=True) if status != TIMEOUT]
    endless = len({program_key(p) for p, status in zip(programs, mine.statuses, strict=True) if status == TIMEOUT})
    if language == "python":
        own = bound(ending)
        again = timed(ours, ending)
        print(
            f"  bound    {own / cores:8.1f} s     {own:.1f} CPU s of {distinct - endless} distinct programs that end, "
            f"over the cores; ours for them {again.seconds:.1f} s, {again.seconds * cores / own:.2f} x"
        )
        print(f"           {endless:8} distinct programs do not end")
    if runs_peer:
        run = real_peer(checkout) if checkout and language == "python" else peer
        other = timed(run, programs)
        _line("peer", other, len(programs))
        agree = sum(a == b for a, b in zip(mine.passed, other.passed, strict=True)) / len(programs)
        print(f"  ratio    {other.seconds / mine.seconds:8.1f} x     verdicts that agree {agree:.2%}")
        for index, (a, b) in enumerate(zip(mine.passed, other.passed, strict=True)):
            if a != b:
                print(f"  differs  sample {index}: ours {'passed' if a else 'not'}, peer {'passed' if b else 'not'}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"  memory   parent {peak:.0f} MiB, largest child {child:.0f} MiB", flush=True)


# --- memory over many programs ---------------------------------------------------------------------------


def distinct_forever() -> Iterator[Program]:
    """The sample benchmark's Python programs that end, again and again, each with a comment of its own."""
    programs = [p for task, language in SAMPLE if language == "python" for p in of_sample(task, language)]
    ending = [p for p, status in zip(programs, ours(programs), strict=True) if status != TIMEOUT]
    for number in itertools.count():
        program = ending[number % len(ending)]
        yield dataclasses.replace(program, sample=f"{program.sample}\n# {number}\n")


def family_memory() -> tuple[float, float]:
    """Memory of this process and of its whole family, in MiB; a page that n processes share counts 1/n in each."""
    parents, memory = {}, {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):  # it has ended meanwhile
            status = (folder / "stat").read_text().rpartition(")")[2].split()
            rollup = (folder / "smaps_rollup").read_text()
            parents[int(folder.name)] = int(status[1])
            memory[int(folder.name)] = int(rollup.partition("\nPss:")[2].split()[0]) / 1024
    family, size = {os.getpid()}, 0
    while len(family) > size:
        size = len(family)
        family |= {process for process, parent in parents.items() if parent in family}
    return memory[os.getpid()], sum(memory.get(process, 0.0) for process in family)


def many(count: int, lines: int = 20) -> None:
    """Run ``count`` distinct programs through one sandbox and print its memory as they go."""
    programs = itertools.islice(distinct_forever(), count)
    statuses: Counter[str] = Counter()
    print("  programs   seconds  CPU s  this process MiB  with its children MiB  statuses", flush=True)
    started = time.perf_counter()
    with Sandbox() as box:
        for number, (_, outcome) in enumerate(box.run(programs), 1):
            statuses[outcome.status] += 1
            if number % max(1, count // lines) == 0:
                own, family = family_memory()
                seconds = time.perf_counter() - started
                print(
                    f"{number:10}{seconds:10.0f}{cpu_seconds():7.0f}{own:18.1f}{family:23.1f}  {dict(statuses)}",
                    flush=True,
                )


def _line(side: str, timing: Timing, samples: int) -> None:
    rate, passed = samples / timing.seconds, sum(timing.passed)
    text = f"{timing.seconds:8.1f} s  {rate:8.1f} samples/s  CPU {timing.cpu:.1f} s  passed {passed}"
    print(f"  {side:<8} {text}", flush=True)


def main() -> None:
    """Parse the arguments and compare, task by task."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", nargs="*", metavar="TASK FILE …", help="several tasks of one language are one batch")
    parser.add_argument("--limit", type=int, help="only the first N samples of each file")
    parser.add_argument("--problems", type=Path, help="problems to score against, instead of the task's own")
    parser.add_argument("--peer", type=Path, metavar="PATH", help="a checkout of bigcode-evaluation-harness")
    parser.add_argument("--no-peer", action="store_true", help="time our side and the bound only")
    parser.add_argument("--many", type=int, metavar="N", help="memory over N distinct programs, nothing else")
    options = parser.parse_args()
    if options.many:
        many(options.many)
        return
    if options.what:
        batch = groups(options.what)
        programs = [p for task, files in batch for p in load(task, files, options.limit, options.problems)]
        name = ", ".join(f"{task} ({len(files)} files)" for task, files in batch)
        compare(name, programs, options.peer, not options.no_peer)
        return
    for task, language in SAMPLE:
        if language == "java" and not shutil.which("javac"):
            print(
                f"\n{task}: left out, there is no javac on the PATH (Debian: apt-get install openjdk-17-jdk-headless)"
            )
            continue
        compare(f"{task} (sample)", of_sample(task, language, options.limit), options.peer, not options.no_peer)


if __name__ == "__main__":
    main()
