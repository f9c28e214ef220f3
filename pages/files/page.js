"use strict";
(() => {
  const all = (selector, of = document) => [...of.querySelectorAll(selector)];

  // The answer to a form gets the address of its page, so that loading it again asks for the page.
  const address = document.querySelector("meta[name=address]")?.content;
  if (address && location.pathname !== address) history.replaceState(null, "", address);

  // Show what is typed, until it is sent.
  for (const button of all(".reveal")) {
    const input = document.getElementById(button.getAttribute("aria-controls"));
    const show = (on) => {
      input.type = on ? "text" : "password";
      button.classList.toggle("on", on);
      button.setAttribute("aria-label", on ? button.dataset.hide : button.dataset.show);
    };
    button.hidden = false;
    button.addEventListener("click", () => { show(input.type === "password"); input.focus(); });
    input.form.addEventListener("submit", () => show(false));
  }

  // The rules of the policy. The server decides.
  const rules = {
    length: (text, min) => [...text].length >= min,
    lowercase: (text) => /\p{Ll}/u.test(text),
    uppercase: (text) => /\p{Lu}/u.test(text),
    number: (text) => /\p{Nd}/u.test(text),
    symbol: (text) => /[^\p{L}\p{M}\p{N}]/u.test(text),
  };
  // How many characters there are. A screen reader says it when the typing pauses.
  for (const box of all(".count")) {
    const input = document.getElementById(box.dataset.for);
    const [shown, spoken] = box.children;
    let pause;
    const update = () => {
      const text = input.value.normalize("NFC");
      box.hidden = !text;
      shown.textContent = box.dataset.text.replace("#", [...text].length);
      clearTimeout(pause);
      pause = setTimeout(() => { spoken.textContent = text && shown.textContent; }, 1000);
      for (const rule of all("[data-rule]", input.closest(".field"))) {
        const met = rules[rule.dataset.rule](text, Number(input.dataset.min));
        rule.classList.toggle("done", met);
        rule.querySelector(".met").hidden = !met;
      }
    };
    input.addEventListener("input", update);
    update();
  }

  // A form is sent once. Its button is busy until the answer comes, and at most ten seconds, because
  // the user may have stopped the request. The back button finds it as it was.
  const sent = new Map();
  const release = (form) => {
    const { button, timer } = sent.get(form);
    sent.delete(form);
    clearTimeout(timer);
    button.disabled = false;
    button.removeAttribute("aria-busy");
  };
  for (const form of all("form")) {
    form.addEventListener("submit", (event) => {
      if (sent.has(form)) return event.preventDefault();
      const button = event.submitter ?? form.querySelector("button:not([type=button])");
      if (!button) return;
      sent.set(form, { button, timer: setTimeout(release, 10_000, form) });
      // A button that is disabled now would not send its value.
      setTimeout(() => {
        if (event.defaultPrevented) return release(form);
        button.disabled = true;
        button.setAttribute("aria-busy", "true");
      });
    });
  }
  for (const type of ["pagehide", "pageshow"]) addEventListener(type, () => [...sent.keys()].forEach(release));

  // Times in the reader's own zone.
  for (const time of all("time[datetime]")) {
    const at = new Date(time.dateTime);
    if (isNaN(at)) continue;
    const local = at.toLocaleString(document.documentElement.lang, { dateStyle: "medium", timeStyle: "short" });
    if (time.title) time.title = local;
    else time.textContent = local;
  }
})();
