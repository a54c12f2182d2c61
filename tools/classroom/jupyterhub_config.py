"""Settings of a JupyterHub for a class: copy this to the server, and change what is in capitals.

The Hub then starts with ``/srv/course/.venv/bin/jupyterhub -f jupyterhub_config.py``. ``make class`` tries
these settings with a class of its own.
"""

import os

COURSE = os.environ.get("COURSE", "/srv/course")
CMDSTAN = os.environ.get("CMDSTAN", "/srv/stan/.cmdstan/cmdstan-2.27.0")
COMPILED = os.environ.get("STAN_MODEL_CACHE", "/srv/stan/compiled")

c = get_config()  # noqa: F821, JupyterHub provides it
c.JupyterHub.bind_url = "http://127.0.0.1:8000"  # a web server with HTTPS stands before it
c.JupyterHub.hub_ip = "127.0.0.1"
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:8001"

c.Spawner.environment = {
    "CMDSTAN": CMDSTAN,
    "BOKEH_RESOURCES": "inline",  # figures without the network
    "JUPYTER_CONFIG_PATH": f"{COURSE}/tools/jupyter",  # small notebooks, no edit lost
    "OMP_NUM_THREADS": "1",
}
if COMPILED:
    c.Spawner.environment["STAN_MODEL_CACHE"] = COMPILED
c.Spawner.ip = "127.0.0.1"
c.Spawner.cmd = [f"{COURSE}/.venv/bin/jupyterhub-singleuser"]
c.Spawner.notebook_dir = "~"
c.Spawner.default_url = "/lab/tree/course/lessons"
# A class that comes in at the same minute waits for two cores, and must not be sent away.
c.Spawner.start_timeout = 600
c.Spawner.http_timeout = 600
