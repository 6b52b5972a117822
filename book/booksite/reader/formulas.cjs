// Sets formulas with MathJax, in Node.js: node formulas.cjs FOLDER_OF_MATHJAX
// Reads [[TeX, whether it is displayed], ...] as JSON; writes {formulas: [{html} or {error}, ...], style}.
const folder = process.argv[2];

const tex = {
  // The first would show an unknown command in red instead of telling of it; by the second a formula would rest on others.
  packages: { "[-]": ["noundefined", "newcommand"] },
  autoload: { newcommand: [] },
  formatError: (_, error) => {
    throw error;
  },
};
global.MathJax = {
  loader: { paths: { mathjax: folder }, require, load: ["input/tex", "output/chtml", "adaptors/liteDOM", "a11y/assistive-mml"] },
  startup: { typeset: false },
  chtml: { adaptiveCSS: false, fontURL: "mathjax" }, // one style sheet for whatever was set before
  tex,
};

const set = async ([text, display]) => {
  const { adaptor } = MathJax.startup;
  MathJax.texReset(); // forget labels
  try {
    const html = adaptor.outerHTML(await MathJax.tex2chtmlPromise(text, { display }));
    if (html.includes("MathJax_ref")) throw new Error("a formula knows no other's label: use the role eq instead");
    return { html };
  } catch (error) {
    return { error: error.message };
  }
};

require(`${folder}/startup.js`);
MathJax.startup.promise.then(async () => {
  const formulas = [];
  for (const formula of JSON.parse(require("fs").readFileSync(0, "utf-8"))) formulas.push(await set(formula));
  const style = MathJax.startup.adaptor.textContent(MathJax.chtmlStylesheet());
  process.stdout.write(JSON.stringify({ formulas, style }));
});
