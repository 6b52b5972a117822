// The theme's .pdf button prints the page by a handler in its markup, which the content security policy forbids.
document.addEventListener("click", (event) => {
  if (event.target.closest(".btn-download-pdf-button")) print();
});
