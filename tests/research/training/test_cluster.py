"""Training on workers: a local cluster of two nodes, a worker killed in the middle, a sweep, a fan-out.

Ray is an extra (`pip install 'steadyhand[cluster]'`). Starting it takes longer than most tests together.
"""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray", reason="Ray is not installed: pip install 'steadyhand[cluster]'")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not os.environ.get("STEADYHAND_LONG"), reason="minutes: STEADYHAND_LONG=1"),
]

WAIT_S = 300
SMALL = "--world known --envs 32 --episodes 64 --evaluate-every 20000 --set horizon=16 --set minibatch=128"


def cluster(script: str, tmp_path: Path) -> subprocess.Popen[str]:
    """Run a script beside a cluster of two nodes of one processor each."""
    head = """
        import sys
        from pathlib import Path
        from ray.cluster_utils import Cluster
        from research.training.train_options import main

        if __name__ == "__main__":
            cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
            cluster.add_node(num_cpus=1)
            out = Path(sys.argv[1])
    """
    body = textwrap.dedent(head) + textwrap.indent(textwrap.dedent(script), "    ")
    path = tmp_path / "script.py"
    path.write_text(body)
    return subprocess.Popen(
        [sys.executable, str(path), str(tmp_path / "run")],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
    )


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a file is there."""
    deadline_s = time.monotonic() + WAIT_S
    while not path.exists():
        assert process.poll() is None, process.stdout.read() if process.stdout else ""
        assert time.monotonic() < deadline_s
        time.sleep(0.2)


def test_a_killed_worker_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    words = f"{SMALL} --workers 2 --steps 400000 --checkpoint-every 20000".split()
    process = cluster(f'sys.exit(main({words!r} + ["--ray", cluster.address, "--out", str(out)]))', tmp_path)
    wait_for(tmp_path / "run" / "ray" / "run" / "checkpoint_manager_snapshot.json", process)
    who = {rank: json.loads((tmp_path / "run" / "workers" / f"{rank}.json").read_text()) for rank in (0, 1)}

    os.kill(who[1]["pid"], signal.SIGKILL)

    said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    again = json.loads((tmp_path / "run" / "workers" / "1.json").read_text())
    assert who[0]["node"] != who[1]["node"]
    assert again["pid"] != who[1]["pid"]
    rows = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    steps = [row["steps"] for row in rows]
    assert steps == sorted(set(steps))
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"


def test_an_interrupted_run_says_so_and_goes_on_from_the_last_checkpoint(tmp_path: Path) -> None:
    words = f"{SMALL} --workers 2 --steps 400000 --checkpoint-every 20000".split()
    process = cluster(f'sys.exit(main({words!r} + ["--ray", cluster.address, "--out", str(out)]))', tmp_path)
    wait_for(tmp_path / "run" / "ray" / "run" / "checkpoint_manager_snapshot.json", process)

    process.send_signal(signal.SIGINT)

    said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 130, said
    assert "goes on from the last checkpoint" in said
    process = cluster('sys.exit(main(["--resume", str(out), "--ray", cluster.address]))', tmp_path)
    said, _ = process.communicate(timeout=WAIT_S)
    assert process.returncode == 0, said
    rows = [json.loads(line) for line in (tmp_path / "run" / "curve.jsonl").read_text().splitlines()]
    steps = [row["steps"] for row in rows]
    assert steps == sorted(set(steps))
    assert steps[0] == 0


def test_a_sweep_that_cannot_be_is_refused_before_a_cluster_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from research.training import train_options

    monkeypatch.setattr("research.cluster.launch.connect", lambda *_: pytest.fail("a cluster begins"))
    (tmp_path / "grid.json").write_text('{"alpha": [0.1]}')
    words = f"{SMALL} --steps 20000 --sweep {tmp_path / 'grid.json'}".split()

    assert train_options.main([*words, "--out", str(tmp_path / "run")]) == 2
    assert "alpha = 0.1: Object contains unknown field" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_sweep_tries_every_combination(tmp_path: Path) -> None:
    (tmp_path / "grid.json").write_text('{"learning_rate": [0.001, 0.0], "clip": [0.1, 0.2]}')
    words = f"{SMALL} --steps 20000 --sweep {tmp_path / 'grid.json'}".split()
    process = cluster(f'sys.exit(main({words!r} + ["--ray", cluster.address, "--out", str(out)]))', tmp_path)

    said, _ = process.communicate(timeout=WAIT_S)

    assert process.returncode == 0, said
    rows = json.loads((tmp_path / "run" / "sweep.json").read_text())
    assert len(rows) == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["status"] == "finished"
    assert rows[0]["knobs"]["learning_rate"] == 0.001
    assert rows[0]["cost"] <= rows[-1]["cost"]


def test_pieces_come_back_in_their_order(tmp_path: Path) -> None:
    script = """
        from research.cluster.fan_out import fan_out

        found = fan_out(abs, [-3, 2, -1, 0], cluster.address)
        assert found == [3, 2, 1, 0], found
    """
    process = cluster(script, tmp_path)

    said, _ = process.communicate(timeout=WAIT_S)

    assert process.returncode == 0, said
