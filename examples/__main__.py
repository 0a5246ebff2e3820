"""Run all experiments and write the page that shows them: OUT/README.md, with OUT/pictures beside it.

Run it:  python -m examples [--data mnist --data-dir DIR] [--only NAME ...]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from tqdm import tqdm

from examples.experiments import PICTURES, Result, add_options
from examples.gallery import EXPERIMENTS, page

ROOT = Path(__file__).parent.parent


def main(argv: Sequence[str] | None = None) -> str | None:
    """What went wrong, or None."""
    parser = argparse.ArgumentParser(
        prog="python -m examples", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add_options(parser)
    parser.add_argument("--only", nargs="+", metavar="NAME", choices=EXPERIMENTS, default=EXPERIMENTS)
    parser.add_argument("--jobs", type=int, metavar="N", default=os.cpu_count(), help="at once (default: one a core)")
    options = parser.parse_args(argv)

    folder = options.out.absolute()
    arguments = ["--data", options.data, "--out", str(folder)]
    if options.data_dir is not None:
        arguments += ["--data-dir", str(options.data_dir.absolute())]
    complaints = run_all(options.only, arguments, options.jobs)

    found = [name for name in EXPERIMENTS if (folder / PICTURES / f"{name}.json").exists()]
    scripts = Path(os.path.relpath(Path(__file__).parent, folder)).as_posix()
    results = [Result.load(folder / PICTURES, name) for name in found]
    (folder / "README.md").write_text(page(results, "" if scripts == "." else f"{scripts}/"), "utf-8")
    print(f"written: {folder / 'README.md'}")
    return "\n".join(complaints) or None


def run_all(names: Sequence[str], arguments: Sequence[str], jobs: int) -> list[str]:
    """Run each experiment in a process of its own, one thread each; returns what failed."""
    environment = os.environ | {"TINYGRAD_CNN_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} if jobs > 1 else None

    def run(name: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", f"examples.{name}", *arguments]
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)

    complaints = []
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(names), unit="experiment", desc="examples") as bar:
        tasks = {pool.submit(run, name): name for name in names}
        for task in as_completed(tasks):
            ended = task.result()
            if ended.returncode:
                complaints.append(f"{tasks[task]}: {ended.stderr.strip()}")
            bar.set_postfix_str(tasks[task])
            bar.update()
    return complaints


if __name__ == "__main__":
    sys.exit(main())
