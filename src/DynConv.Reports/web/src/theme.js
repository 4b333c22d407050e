import { h } from "./dom.js";

const key = "dynconv-theme";
const dark = matchMedia("(prefers-color-scheme: dark)");
const listeners = new Set();

/** Calls back when the colours have changed. */
export function onTheme(listener) {
    listeners.add(listener);
    return () => listeners.delete(listener);
}

/** A colour of the style sheet, for canvases. */
export function color(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

/** Colours that tell curves apart; those of convolution kinds are the same in every chart. */
export const hueCount = 10;
export const kindHues = { none: 7, static: 1, headwise: 2, lowrank: 0 };
export function hueOf(name, index) {
    return kindHues[name] ?? index % hueCount;
}

function stored() {
    try {
        return localStorage.getItem(key);
    } catch {
        return null; // A file's page may be denied any storage.
    }
}

function apply(choice) {
    const value = choice ?? (dark.matches ? "dark" : "light");
    if (document.documentElement.dataset.theme !== value) {
        document.documentElement.dataset.theme = value;
        listeners.forEach(listener => listener());
    }
}

/** Follows the system until somebody chooses; prints on white. */
export function themeSwitch() {
    let chosen = stored();
    apply(chosen);
    const label = () => (document.documentElement.dataset.theme === "dark" ? "Light" : "Dark");
    const button = h("button", {
        class: "theme",
        type: "button",
        onclick: () => {
            chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
            try {
                localStorage.setItem(key, chosen);
            } catch {
                // The choice then lasts as long as the page.
            }
            apply(chosen);
        },
    });
    const relabel = () => {
        button.textContent = label();
        button.setAttribute("aria-label", `${label()} theme`);
    };
    relabel();
    onTheme(relabel);
    dark.addEventListener("change", () => apply(chosen));
    addEventListener("beforeprint", () => apply("light"));
    addEventListener("afterprint", () => apply(chosen));
    return button;
}
