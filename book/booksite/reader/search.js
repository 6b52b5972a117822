// The search: the theme's buttons and Ctrl+K open Pagefind's dialog. Nothing of it is loaded before.
{
  // Pagefind shows what has all words that are asked for. These are in a question and tell nothing of what it is about.
  const EMPTY = new Set(
    `a an and are as at be by can could do does for from how i if in is it me my myself of on or should than that the
    their then there this to versus vs was what when where which who why will with would you your`.split(/\s+/)
  );
  const asked = (question) => {
    const words = question.split(/\s+/).filter((word) => !EMPTY.has(word.toLowerCase().replace(/\W+$/, "")));
    return words.join(" ") || question;
  };

  const load = (name, attributes) =>
    new Promise((resolve, reject) => {
      const element = Object.assign(document.createElement(name), attributes, { onload: resolve, onerror: reject });
      document.head.append(element);
    });

  const dialog = async () => {
    const folder = new URL(`${document.documentElement.dataset.content_root}pagefind/`, document.baseURI);
    await Promise.all([
      load("link", { rel: "stylesheet", href: `${folder}pagefind-component-ui.css` }),
      load("script", { src: `${folder}pagefind-component-ui.js` }),
    ]);
    const manager = PagefindComponents.getInstanceManager();
    const instance = manager.getInstance("default", { bundlePath: folder.pathname }); // the site may lie in a folder
    const search = instance.triggerSearch.bind(instance);
    instance.triggerSearch = (question) => search(asked(question));
    const modal = document.createElement("pagefind-modal");
    document.body.append(modal);
    if (location.protocol === "file:") {
      const hint = document.createElement("p");
      hint.textContent = say("A browser does not let a page that is opened from a folder search. Serve the folder: python -m http.server");
      modal.querySelector("pagefind-modal-body").prepend(hint);
    }
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
