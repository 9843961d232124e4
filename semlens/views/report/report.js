"use strict";
// Shows a card with the crops of the mark that is pointed at or has the focus. All text goes in as text.
(() => {
  const { crops } = JSON.parse(document.getElementById("data").textContent);
  const card = document.getElementById("card");
  const element = (name, text, classes) => {
    const made = document.createElement(name);
    if (text) made.textContent = text;
    if (classes) made.className = classes;
    return made;
  };
  const show = (dot) => {
    const lines = dot.getAttribute("aria-label").split("\n").map((line) => element("div", line));
    const shown = element("div", "", "crops");
    for (const number of crops[dot.dataset.n] || []) shown.append(element("span", "", `crop p${Number(number)}`));
    card.replaceChildren(...lines, shown);
    card.hidden = false;
    const at = dot.getBoundingClientRect(), own = card.getBoundingClientRect();
    const right = at.right + 10, left = at.left - own.width - 10;
    const x = right + own.width < innerWidth ? right : Math.max(8, left);
    const y = Math.min(Math.max(8, at.top - own.height / 2), innerHeight - own.height - 8);
    card.style.left = `${x}px`;
    card.style.top = `${Math.max(8, y)}px`;
  };
  const hide = () => { card.hidden = true; };
  for (const chart of document.querySelectorAll(".scatter")) {
    const dots = [...chart.querySelectorAll(".dot")];
    for (const dot of dots) {
      const title = dot.querySelector("title"); // the browser's own hint would cover the card
      dot.setAttribute("aria-label", title.textContent);
      title.remove();
    }
    const move = (from, to) => {
      from.setAttribute("tabindex", "-1");
      to.setAttribute("tabindex", "0");
      to.focus();
    };
    const of = (event) => event.target.closest(".dot");
    chart.addEventListener("pointerover", (event) => (of(event) ? show(of(event)) : hide()));
    chart.addEventListener("pointerleave", hide);
    chart.addEventListener("click", (event) => of(event) && show(of(event)));
    chart.addEventListener("focusin", (event) => of(event) && show(of(event)));
    chart.addEventListener("focusout", hide);
    chart.addEventListener("keydown", (event) => {
      const at = dots.indexOf(of(event));
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      if (event.key === "Escape") hide();
      if (at < 0 || !step) return;
      event.preventDefault();
      move(dots[at], dots[Math.min(Math.max(at + step, 0), dots.length - 1)]);
    });
  }
  addEventListener("scroll", hide, { passive: true });
})();
