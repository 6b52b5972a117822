// The search: the theme's buttons and Ctrl+K open Pagefind's dialog. Nothing of it is loaded before.
{
  const questions = new URL("questions.js", document.currentScript.src);

  const load = (name, attributes) =>
    new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement(name), attributes, { onload: resolve, onerror: reject });
      document.head.append(element);
    });

  /** Pagefind, whose search answers questions. */
  const answering = async (folder) => {
    const [{ createInstance }, { answering }, names] = await Promise.all([
      import(`${folder}pagefind.js`),
      import(questions),
      fetch(`${folder}names.json`).then((response) => response.json()),
    ]);
    const pagefind = createInstance();
    return { ...pagefind, search: answering(pagefind.search, names) };
  };

  const dialog = async () => {
    const folder = new URL(`${document.documentElement.dataset.content_root}pagefind/`, document.baseURI);
    const [pagefind] = await Promise.all([
      answering(folder).catch(() => null), // then the dialog tries by itself, and says what is wrong
      load("link", { rel: "stylesheet", href: `${folder}pagefind-component-ui.css` }),
      load("script", { src: `${folder}pagefind-component-ui.js` }),
    ]);
    const manager = PagefindComponents.getInstanceManager();
    const instance = manager.getInstance("default", { bundlePath: folder.pathname }); // the site may lie in a folder
    instance.__pagefind__ = pagefind;
    const modal = document.createElement("pagefind-modal");
    document.body.append(modal);
    if (location.protocol === "file:") {
      const hint = document.createElement("p");
      hint.textContent = say("A browser does not let a page that is opened from a folder search. Serve the folder: python -m http.server");
      modal.querySelector("pagefind-modal-body").prepend(hint);
    }

    // Enter in the field goes to the first result, also before it is shown; not where it ends a Korean syllable.
    modal.addEventListener("keydown", async (event) => {
      if (event.key !== "Enter" || event.isComposing || !event.target.matches(".pf-input")) return;
      const [first] = (await pagefind?.search(event.target.value))?.results ?? [];
      if (!first) return;
      const { url } = await first.data();
      modal.close();
      location.assign(url);
    });
    modal.addEventListener("focusin", ({ target }) => {
      const hint = { label: "↵", description: instance.translate("keyboard_select") };
      if (target.matches(".pf-input")) instance.registerShortcut(hint, target.closest("pagefind-input"));
    });
    // The dialog does not stay over a page that a link leads to, which may be the one that is open.
    modal.addEventListener("click", (event) => {
      const another = event.ctrlKey || event.metaKey || event.shiftKey; // tab or window
      if (event.target.closest("a[href]") && !another) modal.close();
    });
    return modal;
  };

  let opening;
  const open = async () => (await (opening ??= dialog())).open();

  // Before the theme's own listeners, which would look for the field that was there.
  const instead = (event) => {
    event.preventDefault();
    event.stopImmediatePropagation();
    open();
  };
  window.addEventListener("click", (event) => event.target.closest(".search-button__button") && instead(event), true);
  window.addEventListener(
    "keydown",
    (event) => (event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "k" && instead(event),
    true
  );
}
