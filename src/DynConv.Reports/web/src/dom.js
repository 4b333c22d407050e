/**
 * Makes an element. Text is always set as text, so that names from folders and files cannot become markup.
 * @param {string} tag
 * @param {Record<string, unknown>} [attributes] on… are listeners; false, null and undefined leave the attribute out.
 * @param {...(Node|string|number|null|undefined)} children
 */
export function h(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (name.startsWith("on")) {
            element.addEventListener(name.slice(2), value);
        } else if (value !== false && value !== null && value !== undefined) {
            element.setAttribute(name, value === true ? "" : value);
        }
    }
    element.append(...children.filter(child => child !== null && child !== undefined));
    return element;
}

/** A section with a heading that the page's navigation leads to. */
export function section(id, title, ...children) {
    return h("section", { id, "aria-labelledby": `${id}-title` }, h("h2", { id: `${id}-title` }, title), ...children);
}

/** A labelled choice. */
export function choice(label, options, selected, onChange) {
    const select = h("select", { onchange: event => onChange(event.target.value) });
    for (const [value, text] of options) {
        select.append(h("option", { value, selected: value === selected }, text));
    }
    return h("label", {}, h("span", {}, label), select);
}

/** A labelled switch. */
export function toggle(label, checked, onChange) {
    return h("label", { class: "toggle" },
        h("input", { type: "checkbox", checked, onchange: event => onChange(event.target.checked) }), h("span", {}, label));
}
