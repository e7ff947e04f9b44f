/** The overview: all of the plant at one look. */

import {el, show} from "./dom.js";

export const view = {
  path: "",
  title: "Overview",
  mount(root, {live}) {
    const render = () => show(root, el("h1", {}, "Overview"), el("p", {class: "empty"}, live.overview ? "" : "Waiting for the plant."));
    live.addEventListener("overview", render);
    render();
    return () => live.removeEventListener("overview", render);
  },
};
