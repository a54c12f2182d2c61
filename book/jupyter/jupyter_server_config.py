"""Settings of the JupyterLab that ``make lab`` starts."""

BOKEH = "application/vnd.bokehjs"


def drop_figures(model, **_):
    """Save notebooks without Bokeh's figures.

    They bring BokehJS along, megabytes a notebook, and come up empty when the notebook is opened again:
    better to have no figure there than an empty one. Running the cells draws them anew.
    """
    if model["type"] == "notebook":
        for cell in model["content"]["cells"]:
            if cell["cell_type"] == "code":
                cell["outputs"] = [
                    out
                    for out in cell["outputs"]
                    if not any(kind.startswith(BOKEH) for kind in out.get("data", {}))
                ]


c.ContentsManager.pre_save_hook = drop_figures  # noqa: F821, Jupyter provides c
c.ServerApp.root_dir = "."  # noqa: F821
