// Sets the chosen theme before the first paint. A classic script in the head, because a module would run after it and the page would flash.
// Without a choice the page follows the system (color-scheme in style.css).
"use strict";

(() => {
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");
  const read = () => { try { return localStorage.getItem("softrec-theme"); } catch { return null; } };
  const keep = (theme) => { try { localStorage.setItem("softrec-theme", theme); } catch { /* private mode: the choice lasts for this page */ } };

  const chosen = read();
  if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;

  addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme");
    const current = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
    const show = () => {
      const next = current() === "dark" ? "light" : "dark";
      button.setAttribute("aria-label", `Switch to the ${next} theme`);
      button.title = `Switch to the ${next} theme`;
    };
    button.addEventListener("click", () => {
      root.dataset.theme = current() === "dark" ? "light" : "dark";
      keep(root.dataset.theme);
      show();
    });
    system.addEventListener("change", show);
    show();
  });
})();
