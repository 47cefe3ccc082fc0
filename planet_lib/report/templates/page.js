const button = document.getElementById("unfold");
if (button) {
  const cells = document.querySelectorAll("details.code");
  button.hidden = cells.length === 0;
  button.addEventListener("click", () => {
    const open = button.getAttribute("aria-pressed") !== "true";
    cells.forEach((cell) => { cell.open = open; });
    button.setAttribute("aria-pressed", open);
    button.textContent = open ? "Hide all code" : "Show all code";
  });
}

const menu = document.querySelector("details.menu");
document.addEventListener("click", (event) => {
  if (!menu.contains(event.target)) menu.open = false;
});
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") menu.open = false;
});
