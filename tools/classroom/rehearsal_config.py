"""Settings of the Hub that ``make class`` starts: those of a class, with users who have no account."""

import json
import os
import sys
from pathlib import Path

from jupyterhub.spawner import LocalProcessSpawner

SCRATCH = Path(os.environ["REHEARSAL"])
RUN = json.loads((SCRATCH / "secrets.json").read_text("utf-8"))


class Pupil(LocalProcessSpawner):
    """Starts a server under a number of its own, with a home of its own, or under ours if we are not root."""

    def make_preexec_fn(self, name):
        """Leave the change of user to `setpriv`."""

    def user_env(self, env):
        """Give each user a home."""
        home = f"{SCRATCH}/{self.user.name}"
        return env | {"USER": self.user.name, "LOGNAME": self.user.name, "HOME": home}

    async def start(self):
        """Start as the user whose number is in the name."""
        self.popen_kwargs = {"cwd": f"{SCRATCH}/{self.user.name}"}
        if os.geteuid() == 0:
            number = RUN["first"] + int(self.user.name.removeprefix("user"))
            become = ["setpriv", f"--reuid={number}", f"--regid={number}", "--clear-groups"]
            if RUN["closed"]:  # Python or CmdStan lies in a closed home: let them read there
                become += ["--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search"]
            self.cmd = [*become, *self.config.Spawner.cmd]
        return await super().start()


c = get_config()  # noqa: F821, JupyterHub provides it
load_subconfig(str(Path(__file__).with_name("jupyterhub_config.py")))  # noqa: F821
c.Spawner.cmd = [sys.executable, "-m", "jupyterhub.singleuser"]
c.Spawner.args = ["--LabApp.expose_app_in_browser=True"]  # for the test that uses a browser
c.Spawner.environment |= RUN["environment"]
c.JupyterHub.spawner_class = Pupil
c.JupyterHub.bind_url = RUN["url"]
c.JupyterHub.hub_port = RUN["ports"][1]
c.ConfigurableHTTPProxy.api_url = f"http://127.0.0.1:{RUN['ports'][2]}"
c.ConfigurableHTTPProxy.auth_token = RUN["proxy"]
c.ConfigurableHTTPProxy.command = RUN["command"]
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = RUN["password"]
c.SharedPasswordAuthenticator.allowed_users = set(RUN["users"])
c.JupyterHub.services = [{"name": "driver", "api_token": RUN["token"]}]
c.JupyterHub.load_roles = [
    {
        "name": "driver",
        "services": ["driver"],
        "scopes": ["admin:users", "admin:servers", "access:servers"],
    }
]
