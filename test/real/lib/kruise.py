"""Releases in a row in members of which some keep Kruise's controller; see kruise.sh. Every approval is of all members; pods are watched all
the time, so that a step which nobody approved is seen."""
import argparse
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "acceptance", "lib"))
from fleet import Checks, GivenFleet, seeded_random, soon
from gate import DEPLOYMENT, IMAGE, ROLLOUT, Gate


class Play(Gate):
    def __init__(self, fleet, checks, random):
        super().__init__(fleet, True, checks, random)
        self.scaling = self.closing = False
        self.patience = int(os.environ.get("PATIENCE", "120"))
        self.approvals = 0

    def expect_pods(self, member, step):
        """The new pods are there at the pause; Kruise does not wait for the old ones to go."""
        good = soon(self.patience, lambda: self.state(member) == ("Progressing", step, "StepPaused") and self.pods(member) == self.expected(step))
        self.checks.check(f"v{self.version} {member} pauses at step {step} with {self.expected(step)}", good, f"{self.state(member)} {self.pods(member)}")

    def once(self):
        self.version += 1
        for member in self.members:
            self.allow(member, 1)
        self.fleet.must("kubectl", "-n", "demo", "set", "image", f"deployment/{DEPLOYMENT}", f"vllm={IMAGE}:v{self.version}")
        for step in (1, 2):
            for member in self.members:
                self.expect_pods(member, step)
            for member in self.members:
                self.allow(member, step + 1)
            code, said = self.fleet.run("kubectl", "amc", "rollout", "approve", f"rollouts/{ROLLOUT}", "-n", "demo", "-M", "--timeout", f"{self.patience}s",
                                        timeout=self.patience + 30)
            self.approvals += 1
            self.checks.check(f"v{self.version} step {step}: approved in all", code == 0, f"exit {code}\n{said}")
        for member in self.members:
            done = soon(self.patience, lambda member=member: self.state(member) == ("Healthy", 3, "Completed") and self.pods(member) == self.expected(3))
            self.checks.check(f"v{self.version} {member} is complete", done, f"{self.state(member)} {self.pods(member)}")

    def run(self, approvals):
        self.limit = {member: ("v1", self.replicas) for member in self.members}
        watches = [threading.Thread(target=self.watch, args=(member,), daemon=True) for member in self.members]
        for each in watches:
            each.start()
        while self.approvals < approvals and not self.checks.failed:
            self.once()
        self.closing = True
        self.checks.check("at no moment was more than an approved share on the new version", not self.beyond, "\n".join(self.beyond[:10]))


def main():
    arguments = argparse.ArgumentParser(description="Releases in a row; see kruise.sh.")
    arguments.add_argument("--kubeconfig", required=True)
    arguments.add_argument("--members", required=True, help="names of its contexts, separated by commas")
    arguments.add_argument("--approvals", type=int, required=True)
    given = arguments.parse_args()
    checks = Checks()
    try:
        Play(GivenFleet(given.kubeconfig, given.members.split(",")), checks, seeded_random()).run(given.approvals)
    except Exception as error:
        checks.check("runs to the end", False, repr(error))
    return checks.finish()


if __name__ == "__main__":
    raise SystemExit(main())
