// Mends for interactive figures on a page without a kernel, and names for screen readers.
// Loaded before the scripts that it prepares.
"use strict";

// 1. The theme would replace the icons that the Play control looks for, and the control would throw.
// (The theme's script may have run already: its settings are then a live object, to change and not to replace.)
window.FontAwesomeConfig = Object.assign(window.FontAwesomeConfig || {}, { observeMutations: false });

// 2. Widgets ask MathJax 2 to typeset their labels; pages carry MathJax 3.
window.addEventListener("load", () => {
  if (window.MathJax && !window.MathJax.Hub) {
    window.MathJax.Hub = {
      Queue: ([, , element]) => window.MathJax.startup.promise.then(() => window.MathJax.typesetPromise([element])),
    };
  }
});

// 3. Widgets leave slider handles and some buttons without a name for a screen reader.
const setOnce = (node, name, value) => {
  if (value && node.getAttribute(name) !== value) node.setAttribute(name, value);
};

function nameControls() {
  for (const handle of document.querySelectorAll(".jupyter-widgets .noUi-handle")) {
    const box = handle.closest(".widget-slider");
    setOnce(handle, "aria-label", box.querySelector(".widget-label")?.textContent.trim() || "Frame");
    // Play's slider counts frames and shows no readout: its frame's caption says which one it is.
    const captions = [...(handle.closest(".sdc-widget")?.querySelectorAll("figcaption") || [])];
    const caption = captions.find((node) => node.offsetParent !== null);
    setOnce(handle, "aria-valuetext", (caption || box.querySelector(".widget-readout"))?.textContent.trim());
  }
  const does = { "fa-play": "Play", "fa-pause": "Pause", "fa-stop": "Back to the start", "fa-retweet": "Repeat" };
  for (const button of document.querySelectorAll(".widget-play button")) {
    const icon = Object.keys(does).find((name) => button.querySelector(`.${name}`));
    setOnce(button, "aria-label", [does[icon], button.parentElement.title].filter(Boolean).join(": "));
  }
  for (const group of document.querySelectorAll(".widget-toggle-buttons")) {
    setOnce(group, "role", "group");
    setOnce(group, "aria-label", group.querySelector(".widget-label")?.textContent.trim());
    for (const button of group.querySelectorAll("button")) {
      setOnce(button, "aria-pressed", String(button.classList.contains("mod-active")));
    }
  }
}

document.addEventListener("DOMContentLoaded", () => {
  // The theme's sidebar folds have an arrow and no name.
  for (const fold of document.querySelectorAll(".bd-sidebar-primary summary")) {
    setOnce(fold, "aria-label", `Pages under ${fold.closest("li").querySelector("a").textContent.trim()}`);
  }
  const article = document.querySelector("article") || document.body;
  // Only what widgets do is of interest: they render late, and rewrite a handle's text whenever it moves.
  if (document.querySelector('script[type="application/vnd.jupyter.widget-view+json"]')) {
    new MutationObserver(nameControls).observe(article, {
      attributeFilter: ["aria-valuetext", "class"], childList: true, subtree: true,
    });
  }
});
