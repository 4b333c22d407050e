import { Chart } from "../chart.js";
import { choice, h, section, toggle } from "../dom.js";
import { duration, figure, short, whole } from "../format.js";
import { smooth } from "../series.js";
import { hueOfRun, mixedTokenizers, mixtureSentence } from "./runs.js";

const across = {
    step: { label: "step", format: short, precise: whole },
    tokens: { label: "tokens", format: short, precise: whole },
    seconds: { label: "time", format: duration },
};
const up = {
    loss: { label: "loss (nats a token)", format: value => figure(value, 3), precise: value => figure(value, 5), robust: true },
    bits_per_byte: { label: "loss (bits a byte)", format: value => figure(value, 3), precise: value => figure(value, 5), robust: true },
    learning_rate: { label: "learning rate", format: value => String(Number(value.toPrecision(3))) },
    gradient_norm: { label: "gradient norm", format: value => figure(value, 3), precise: value => figure(value, 4), robust: true },
    tokens_per_second: { label: "tokens a second", format: short, precise: whole },
};

/** A curve without the points whose place is not known. */
function known(x, y) {
    return x.includes(null) ? { x: x.filter(at => at !== null), y: y.filter((_, i) => x[i] !== null) } : { x, y };
}

/** What a loss a token times this is in bits a byte, by the last validation; null without one. */
function bitsPerNat(run) {
    const { loss, bits_per_byte: bits } = run.validation;
    for (let i = loss.length - 1; i >= 0; i--) {
        if (loss[i] > 0 && bits[i] > 0) {
            return bits[i] / loss[i];
        }
    }
    return null;
}

/** Training and validation curves of all runs. */
export class CurvesSection {
    constructor() {
        this.runs = [];
        this.hidden = new Set();
        this.smoothed = new Map();
        this.show = { x: "step", y: "loss", smoothing: 0, training: true, validation: true, log: false };
        this.chart = new Chart("Curves of training", { x: across.step, y: up.loss, height: 420 });
        this.remark = h("p", { class: "hint" });
        this.legend = h("div", { class: "legend", role: "group", "aria-label": "Runs that are shown" });
        const set = name => value => {
            this.show[name] = value;
            this.draw(true);
        };
        this.smoothing = h("output", {}, "off");
        this.element = section("curves", "Curves",
            h("div", { class: "tools" },
                choice("Measure", [["loss", "loss"], ["bits_per_byte", "bits a byte"], ["learning_rate", "learning rate"], ["gradient_norm", "gradient norm"], ["tokens_per_second", "tokens/s"]], "loss", set("y")),
                choice("against", [["step", "steps"], ["tokens", "tokens"], ["seconds", "wall time"]], "step", set("x")),
                h("label", {}, h("span", {}, "Smoothing"), h("input", {
                    type: "range", min: "0", max: "3", step: "0.25", value: "0",
                    oninput: event => this.smooth(Number(event.target.value)),
                }), this.smoothing),
                toggle("training", true, set("training")),
                toggle("validation", true, set("validation")),
                toggle("log scale", false, set("log"))),
            this.legend,
            this.remark,
            this.chart.element,
            h("p", { class: "hint" }, "Drag across the chart to zoom, double-click to see all. Hovering reads the values."));
    }

    /** The slider is logarithmic: the mean is over 1 to 1,000 steps. */
    smooth(position) {
        const steps = 10 ** position;
        this.show.smoothing = 1 - 1 / steps;
        this.smoothing.textContent = position === 0 ? "off" : `${Math.round(steps)} steps`;
        this.draw(false);
    }

    update(data) {
        this.runs = data.runs;
        this.legend.replaceChildren(...this.runs.map(run => this.entry(run)));
        this.draw(false);
    }

    entry(run) {
        const button = h("button", {
            type: "button",
            "aria-pressed": String(!this.hidden.has(run.name)),
            onclick: event => {
                if (event.altKey || event.shiftKey) {
                    this.only(run.name);
                    return;
                }
                if (!this.hidden.delete(run.name)) {
                    this.hidden.add(run.name);
                }
                button.setAttribute("aria-pressed", String(!this.hidden.has(run.name)));
                this.draw(false);
            },
            title: "Click to show or hide; with Shift, to show it alone",
        }, h("i", { class: "dot", style: `background: var(--hue-${hueOfRun(this.runs, run)})` }), run.name);
        return button;
    }

    only(name) {
        const others = this.runs.map(run => run.name).filter(other => other !== name);
        const alone = others.every(other => this.hidden.has(other)) && !this.hidden.has(name);
        this.hidden = new Set(alone ? [] : others);
        this.update({ runs: this.runs });
    }

    draw(axesChanged) {
        const { x, y, log } = this.show;
        const axes = { x: across[x], y: { ...up[y], log, robust: up[y].robust && !log } };
        const lines = this.runs.flatMap(run => this.linesOf(run));
        this.remark.textContent = this.remarkOn(y);
        lines.sort((a, b) => Boolean(b.faint) - Boolean(a.faint)); // What counts is drawn over what is noisy.
        this.chart.setLines(lines, axesChanged ? axes : {});
    }

    /** What the measure means where that is not plain. */
    remarkOn(measure) {
        const shown = this.runs.filter(run => !this.hidden.has(run.name));
        const mixed = mixedTokenizers(shown);
        const without = measure === "bits_per_byte" ? shown.filter(run => run.training.step.length > 0 && bitsPerNat(run) === null).map(run => run.name) : [];
        return measure === "loss" && mixed !== null ? mixtureSentence(mixed)
            : without.length > 0 ? `Not shown, for want of a validation that says how many bytes a token has: ${without.join(", ")}.`
            : measure === "bits_per_byte" ? "Training losses are turned into bits a byte by the bytes a token of the validation text." : "";
    }

    linesOf(run) {
        const { x, y, training, validation } = this.show;
        const isLoss = y === "loss" || y === "bits_per_byte";
        if (y === "bits_per_byte" && bitsPerNat(run) === null) {
            return [];
        }
        const hue = hueOfRun(this.runs, run);
        const hidden = this.hidden.has(run.name);
        const both = isLoss && validation && run.validation.step.length > 0;
        const lines = [];
        if (training || !isLoss) {
            const name = both ? `${run.name}, training` : run.name;
            lines.push({ name, hue, hidden, faint: both && run.validation.step.length > 2, ...known(run.training[x], this.values(run, y)) });
        }
        if (both) {
            const name = training ? `${run.name}, validation` : run.name;
            lines.push({ name, hue, hidden, points: run.validation.step.length <= 60, ...known(run.validation[x], run.validation[y]) });
        }
        return lines;
    }

    values(run, measure) {
        if (measure === "bits_per_byte") {
            const ratio = bitsPerNat(run);
            return this.values(run, "loss").map(loss => (loss === null ? null : loss * ratio));
        }
        const raw = run.training[measure];
        if (this.show.smoothing === 0) {
            return raw;
        }
        const key = `${run.epoch} ${raw.length} ${measure} ${this.show.smoothing}`;
        const known = this.smoothed.get(run.name);
        if (known?.key === key) {
            return known.values;
        }
        const values = smooth(raw, this.show.smoothing);
        this.smoothed.set(run.name, { key, values });
        return values;
    }
}
