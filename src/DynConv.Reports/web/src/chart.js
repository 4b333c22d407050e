import uPlot from "uplot";
import { h } from "./dom.js";
import { decimate, lowerBound, logTicks, nearest, ticks } from "./series.js";
import { color, onTheme } from "./theme.js";

const mostHovered = 12;
const markReach = 14;
const charts = new Set();
onTheme(() => charts.forEach(chart => chart.rebuild()));

/**
 * One curve.
 * @typedef {object} Line
 * @property {string} name
 * @property {number} hue index of a colour
 * @property {number[]} x ascends
 * @property {number[]} y
 * @property {string[]} [notes] what hovering adds at a point
 * @property {boolean} [faint] thin and pale: a noisy curve behind the one that counts
 * @property {boolean} [points] with a mark at each point
 * @property {boolean} [marksOnly] marks without a line
 * @property {boolean} [hidden]
 * @property {boolean} [bandOnly] the band without the curve; hovering passes over it
 * @property {number[]} [low] lower end of a band around the curve, at each x
 * @property {number[]} [high]
 */

/**
 * An axis.
 * @typedef {object} Axis
 * @property {string} label
 * @property {boolean} [log]
 * @property {(value: number) => string} format of ticks
 * @property {(value: number) => string} [precise] of values under the pointer
 * @property {number[]} [ticks] where they stand, if not at round numbers
 * @property {[number, number]} [range] least and most that are shown
 * @property {boolean} [robust] leaves out the highest of very many values: the first steps of a run
 */

/** Curves that can be zoomed and read off with a mouse, a finger or the keyboard. */
export class Chart {
    constructor(label, { x, y, height = 360 }) {
        this.axes = { x, y };
        this.height = height;
        this.lines = [];
        this.zoomed = null;
        this.plot = null;
        this.tip = h("div", { class: "tip", role: "status", hidden: true });
        this.stage = h("div", {
            class: "stage",
            tabindex: "0",
            role: "group",
            "aria-label": `${label}. Arrow keys read values, plus and minus zoom, 0 shows all.`,
            onkeydown: event => this.onKey(event),
            onblur: () => this.hideTip(),
        }, this.tip);
        this.reset = h("button", { type: "button", disabled: true, onclick: () => this.zoom(null) }, "Show all");
        this.element = h("figure", { class: "chart" },
            this.stage,
            h("div", { class: "zoom" },
                h("button", { type: "button", "aria-label": "Zoom in", onclick: () => this.zoomBy(0.5) }, "+"),
                h("button", { type: "button", "aria-label": "Zoom out", onclick: () => this.zoomBy(2) }, "−"),
                this.reset));
        new ResizeObserver(() => this.resize()).observe(this.stage);
        charts.add(this);
    }

    /** Shows other curves; the zoom stays unless the axis means something else now. */
    setLines(lines, axes = {}) {
        const before = this.axes;
        this.axes = { ...before, ...axes };
        if (axes.x && axes.x.label !== before.x.label) {
            this.zoomed = null;
        }
        const same = this.plot !== null && Object.keys(axes).length === 0 && shape(lines) === shape(this.lines);
        this.lines = lines;
        if (same) {
            this.refresh();
        } else {
            this.rebuild();
        }
    }

    get shown() {
        return this.lines.filter(line => !line.hidden && line.x.length > 0);
    }

    get extent() {
        const shown = this.shown;
        let low = Math.min(...shown.map(line => line.x[0]));
        let high = Math.max(...shown.map(line => line.x.at(-1)));
        if (!(low <= high)) {
            return this.axes.x.log ? [1, 10] : [0, 1];
        }
        if (this.axes.x.range) {
            return this.axes.x.range;
        }
        if (this.axes.x.log) {
            return [low / 1.3, high * 1.3];
        }
        low = low <= 0.1 * high ? 0 : low;
        return low === high ? [low - 1, high + 1] : [low, high];
    }

    zoom(range) {
        const [least, most] = this.extent;
        const kept = range && [Math.max(range[0], least), Math.min(range[1], most)];
        const whole = kept === null || (kept[0] <= least && kept[1] >= most);
        if (whole || kept[1] > kept[0]) {
            this.zoomed = whole ? null : kept;
            this.refresh();
        }
    }

    zoomBy(factor) {
        const { log } = this.axes.x;
        const [low, high] = (this.zoomed ?? this.extent).map(value => (log ? Math.log(value) : value));
        const middle = this.plot?.cursor.left >= 0 ? this.plot.posToVal(this.plot.cursor.left, "x") : undefined;
        const centre = middle === undefined ? (low + high) / 2 : log ? Math.log(middle) : middle;
        const bounds = [centre - (centre - low) * factor, centre + (high - centre) * factor];
        this.zoom(bounds.map(value => (log ? Math.exp(value) : value)));
    }

    rebuild() {
        this.plot?.destroy();
        this.plot = null;
        this.hideTip();
        const width = this.stage.clientWidth;
        if (width > 0) {
            this.plot = new uPlot(this.options(width), this.visible(), this.stage);
            this.reset.disabled = this.zoomed === null;
            this.describe();
        }
    }

    refresh() {
        if (this.plot === null) {
            this.rebuild();
            return;
        }
        const data = this.visible();
        this.plot.batch(() => {
            this.plot.setData(data, false);
            const [min, max] = this.range;
            this.plot.setScale("x", { min, max });
            this.plot.setScale("y", { min: this.yRange[0], max: this.yRange[1] });
        });
        this.reset.disabled = this.zoomed === null;
        this.describe();
    }

    resize() {
        const width = this.stage.clientWidth;
        if (this.plot === null) {
            this.rebuild();
        } else if (width > 0 && width !== this.plot.width) {
            this.plot.setSize({ width, height: this.height });
            this.refresh();
        }
    }

    /** What can be seen of the curves at this zoom, as uPlot wants it: one column of x for all. */
    visible() {
        this.range = this.zoomed ?? this.extent;
        const columns = Math.max(100, this.stage.clientWidth);
        const tables = [];
        const seen = [];
        for (const line of this.lines) {
            if (line.hidden || line.x.length === 0) {
                tables.push(line.low ? [[], [], [], []] : [[], []]);
                continue;
            }
            if (line.low) {
                tables.push([line.x, line.y, line.low, line.high]);
                seen.push(...line.low, ...line.high);
            } else {
                const [xs, ys] = decimate(line.x, line.y, this.range[0], this.range[1], columns);
                tables.push([xs, ys]);
                const first = lowerBound(xs, this.range[0]);
                for (let i = first; i < ys.length && xs[i] <= this.range[1]; i++) {
                    seen.push(ys[i]);
                }
            }
        }
        this.yRange = this.rangeOfY(seen.filter(Number.isFinite));
        return tables.length > 0 ? uPlot.join(tables) : [[]];
    }

    rangeOfY(values) {
        const { range, log, robust } = this.axes.y;
        if (range) {
            return range;
        }
        values = (log ? values.filter(value => value > 0) : values).sort((a, b) => a - b);
        if (values.length === 0) {
            return log ? [1, 10] : [0, 1];
        }
        const low = values[0];
        let high = values.at(-1);
        const usual = values[Math.floor((values.length - 1) * 0.97)];
        if (robust && values.length > 60 && high - usual > (usual - low) * 0.3) {
            high = usual + (usual - low) * 0.1;
        }
        if (log) {
            const room = Math.max((high / low) ** 0.06, 1.0005);
            return [low / room, high * room];
        }
        const room = (high - low) * 0.06 || Math.abs(high) * 0.05 || 1;
        return [low >= 0 && low - room < 0 ? 0 : low - room, high + room];
    }

    options(width) {
        const series = [{}];
        const bands = [];
        for (const line of this.lines) {
            const stroke = color(`hue-${line.hue}`);
            const at = series.length;
            series.push({
                stroke: line.marksOnly || line.bandOnly ? "transparent" : line.faint ? `${stroke}66` : stroke,
                width: line.faint ? 1 : 2,
                pxAlign: 0,
                spanGaps: true,
                points: line.points || line.marksOnly ? { show: true, size: line.marksOnly ? 8 : 5, stroke, fill: stroke } : { show: false },
            });
            if (line.low) {
                const edge = { stroke: "transparent", spanGaps: true, points: { show: false } };
                series.push({ ...edge }, { ...edge });
                bands.push({ series: [at + 2, at + 1], fill: `${stroke}26` });
            }
        }
        const log = axis => (axis.log ? { distr: 3 } : {});
        return {
            width,
            height: this.height,
            series,
            bands,
            legend: { show: false },
            scales: {
                x: { time: false, auto: false, ...log(this.axes.x), range: () => this.range },
                y: { ...log(this.axes.y), range: () => this.yRange },
            },
            axes: [this.axis(this.axes.x, 0, width), this.axis(this.axes.y, 1, this.height)],
            cursor: {
                drag: { x: true, y: false, setScale: false },
                points: { size: 7 },
                dataIdx: (plot, index, hovered, value) => (index === 0 ? hovered : this.nearestShown(plot, index, value, hovered)),
                bind: { dblclick: () => () => this.zoom(null) },
            },
            hooks: {
                setCursor: [plot => this.showTip(plot)],
                setSelect: [plot => this.onSelect(plot)],
            },
        };
    }

    axis(axis, side, length) {
        const about = Math.max(2, Math.floor((length - 60) / (side === 0 ? 80 : 45)));
        return {
            label: axis.label,
            stroke: color("text-soft"),
            grid: { stroke: color("line"), width: 1 },
            ticks: { show: false },
            font: "12px system-ui, sans-serif",
            labelFont: "12px system-ui, sans-serif",
            labelSize: side === 0 ? 22 : 24,
            size: side === 0 ? 32 : (plot, values) => 16 + 7 * Math.max(2, ...(values ?? []).map(value => value.length)),
            gap: 6,
            splits: (plot, at, low, high) => axis.ticks?.filter(tick => tick >= low && tick <= high)
                ?? (axis.log ? logTicks : ticks)(low, high, about),
            filter: (plot, splits) => splits,
            values: (plot, splits) => splits.map(axis.format),
        };
    }

    nearestShown(plot, index, value, hovered) {
        const [xs] = plot.data;
        const ys = plot.data[index];
        let left = hovered;
        let right = hovered;
        while (left >= 0 && ys[left] == null) {
            left--;
        }
        while (right < ys.length && ys[right] == null) {
            right++;
        }
        if (left < 0 || right >= ys.length) {
            return left < 0 ? (right < ys.length ? right : null) : left;
        }
        return value - xs[left] <= xs[right] - value ? left : right;
    }

    onSelect(plot) {
        const { left, width } = plot.select;
        if (width > 4) {
            this.zoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
            plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }
    }

    /** Reads every curve at the pointer: the values themselves, not what has been thinned for display. */
    showTip(plot) {
        const { left, top } = plot.cursor;
        if (left === null || left < 0) {
            this.hideTip();
            return;
        }
        const value = plot.posToVal(left, "x");
        const pointed = plot.posToVal(top, "y");
        const { x, y } = this.axes;
        const reach = (this.range[1] - this.range[0]) * 0.02;
        const rows = this.shown
            .filter(line => !line.bandOnly && (x.log || (value >= line.x[0] - reach && value <= line.x.at(-1) + reach)))
            .map(line => ({ line, at: nearest(line.x, value, x.log) }))
            .filter(({ line, at }) => !line.marksOnly || Math.abs(plot.valToPos(line.x[at], "x") - left) < markReach)
            .sort((a, b) => Math.abs(a.line.y[a.at] - pointed) - Math.abs(b.line.y[b.at] - pointed));
        if (rows.length === 0) {
            this.hideTip();
            return;
        }
        const read = rows.slice(0, mostHovered).sort((a, b) => b.line.y[b.at] - a.line.y[a.at]);
        const distance = ({ line, at }) => Math.abs(line.x[at] - value);
        const closest = rows.reduce((a, b) => (distance(b) < distance(a) ? b : a));
        const here = closest.line.x[closest.at];
        const precise = x.precise ?? x.format;
        const note = ({ line, at }) => line.notes?.[at] ?? (Math.abs(line.x[at] - here) > reach / 4 && !x.log ? `at ${precise(line.x[at])}` : null);
        const more = rows.length > mostHovered ? [h("div", {}, `and ${rows.length - mostHovered} more`)] : [];
        this.tip.replaceChildren(
            h("div", { class: "at" }, `${x.label} ${precise(here)}`),
            ...read.map(row => ({ ...row, note: note(row) })).map(({ line, at, note }) => h("div", { class: "value" },
                h("i", { class: "dot", style: `background: var(--hue-${line.hue})` }),
                h("span", {}, line.name),
                h("b", {}, (y.precise ?? y.format)(line.y[at])),
                note ? h("small", {}, note) : null)),
            ...more);
        this.tip.hidden = false;
        const offset = plot.over.offsetLeft + left;
        const { offsetWidth } = this.tip;
        const fitsRight = offset + 16 + offsetWidth < this.stage.clientWidth;
        this.tip.style.left = `${fitsRight ? offset + 14 : Math.max(0, offset - offsetWidth - 14)}px`;
        this.tip.style.top = `${plot.over.offsetTop + 8}px`;
    }

    hideTip() {
        this.tip.hidden = true;
    }

    onKey(event) {
        const { plot } = this;
        if (plot === null || event.ctrlKey || event.metaKey || event.altKey) {
            return;
        }
        const { clientWidth, clientHeight } = plot.over;
        const move = by => {
            const left = plot.cursor.left >= 0 ? plot.cursor.left : clientWidth / 2;
            plot.setCursor({ left: Math.min(clientWidth - 1, Math.max(0, left + by)), top: clientHeight / 2 });
        };
        const step = clientWidth / (event.shiftKey ? 10 : 60);
        const actions = {
            ArrowLeft: () => move(-step),
            ArrowRight: () => move(step),
            "+": () => this.zoomBy(0.5),
            "=": () => this.zoomBy(0.5),
            "-": () => this.zoomBy(2),
            0: () => this.zoom(null),
            Escape: () => plot.setCursor({ left: -10, top: -10 }),
        };
        if (actions[event.key]) {
            actions[event.key]();
            event.preventDefault();
        }
    }

    /** For tests and for whoever looks from outside: what is being shown. */
    describe() {
        const { dataset } = this.stage;
        dataset.lines = this.shown.length;
        dataset.from = this.range[0];
        dataset.to = this.range[1];
        dataset.points = this.plot.data[0].length;
    }
}

function shape(lines) {
    return JSON.stringify(lines.map(line => [line.name, line.hue, line.faint, line.points, Boolean(line.low), line.hidden]));
}
