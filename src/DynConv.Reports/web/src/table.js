import { h } from "./dom.js";

/**
 * A table that sorts by its headers.
 * @template Row
 */
export class SortedTable {
    /**
     * @param {string} caption
     * @param {{title: string, value: (row: Row) => unknown, text?: (row: Row) => string|Node, numeric?: boolean, hint?: string}[]} columns
     *   value decides the order; text is what stands there.
     */
    constructor(caption, columns) {
        this.columns = columns;
        this.rows = [];
        this.sorted = null;
        this.body = h("tbody");
        this.buttons = columns.map((column, index) => h("button", { type: "button", onclick: () => this.sort(index) }, column.title));
        this.heads = columns.map((column, index) =>
            h("th", { scope: "col", class: column.numeric && "number", title: column.hint }, this.buttons[index]));
        this.element = h("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
            h("table", {}, h("caption", {}, caption), h("thead", {}, h("tr", {}, ...this.heads)), this.body));
    }

    setRows(rows) {
        this.rows = rows;
        this.render();
        return this;
    }

    sort(index) {
        const descending = this.sorted?.index === index ? !this.sorted.descending : false;
        this.sorted = { index, descending };
        this.heads.forEach((head, at) => {
            if (at === index) {
                head.setAttribute("aria-sort", descending ? "descending" : "ascending");
            } else {
                head.removeAttribute("aria-sort");
            }
        });
        this.render();
    }

    render() {
        this.body.replaceChildren(...this.ordered().map(row => h("tr", {}, ...this.columns.map((column, at) => {
            const content = column.text ? column.text(row) : String(column.value(row) ?? "–");
            return h(at === 0 ? "th" : "td", { scope: at === 0 && "row", class: column.numeric && "number", "data-title": at > 0 && column.title }, content);
        }))));
    }

    ordered() {
        if (this.sorted === null) {
            return this.rows;
        }
        const { index, descending } = this.sorted;
        const { value } = this.columns[index];
        return [...this.rows].sort((a, b) => {
            const [x, y] = [value(a), value(b)];
            const [noX, noY] = [missing(x), missing(y)];
            if (noX || noY) {
                return noX - noY; // What is missing stands last either way.
            }
            const order = typeof x === "number" && typeof y === "number" ? x - y : String(x).localeCompare(String(y), "en", { numeric: true });
            return descending ? -order : order;
        });
    }
}

function missing(value) {
    return value === null || value === undefined || Number.isNaN(value);
}
