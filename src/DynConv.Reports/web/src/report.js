import "uplot/dist/uPlot.min.css";
import "./style.css";
import { embedded, follow } from "./data.js";
import { h, section } from "./dom.js";
import { ablationSection } from "./sections/ablation.js";
import { CurvesSection } from "./sections/curves.js";
import { recallSection } from "./sections/recall.js";
import { RunsSection } from "./sections/runs.js";
import { scalingSection } from "./sections/scaling.js";
import { SettingsSection } from "./sections/settings.js";
import { themeSwitch } from "./theme.js";

const resultSections = { recall: recallSection, ablation: ablationSection, scaling: scalingSection };

/** The page: figures of runs, which may grow while one looks, and results, which are replaced as a whole. */
class Page {
    constructor() {
        this.subtitle = h("p", {});
        this.state = h("p", { class: "state", role: "status" });
        this.navigation = h("nav", { "aria-label": "Sections" });
        this.problems = h("div", { class: "problems" });
        this.main = h("main", {});
        this.runs = new RunsSection();
        this.curves = new CurvesSection();
        this.settings = new SettingsSection();
        this.stamp = undefined;
        this.withRuns = false;
        document.body.replaceChildren(
            h("header", {}, h("div", {}, h("h1", {}, "DynConv report"), this.subtitle), this.state, themeSwitch()),
            this.navigation, this.problems, this.main);
    }

    update(data) {
        this.subtitle.textContent = describe(data);
        this.problems.replaceChildren(...(data.problems ?? []).map(problem => h("p", {}, problem)));
        this.arrange(data);
        if (data.runs.length > 0) {
            this.runs.update(data);
            this.curves.update(data);
            this.settings.update(data);
        }
    }

    /** Puts up the sections that there is something for. */
    arrange(data) {
        const withRuns = data.runs.length > 0;
        if (this.stamp === data.stamp && this.withRuns === withRuns) {
            return;
        }
        this.stamp = data.stamp;
        this.withRuns = withRuns;
        const seen = {};
        const results = data.results.map(result => {
            seen[result.kind] = (seen[result.kind] ?? 0) + 1;
            return resultSection(result, `${result.kind}-${seen[result.kind]}`);
        });
        const sections = withRuns ? [this.runs.element, this.curves.element, ...results, this.settings.element] : results;
        this.main.replaceChildren(...sections);
        if (sections.length === 0) {
            this.main.append(h("p", {}, "There is nothing to show yet."));
        }
        this.navigation.replaceChildren(...sections.map(section => h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
    }

    setState(state) {
        this.state.textContent = state === "live" ? "live" : "no connection, trying again";
        this.state.dataset.state = state;
    }
}

/** What a file of results says, or a sentence in its place: one odd file takes nothing from the rest of the page. */
function resultSection(result, id) {
    let problem = result.problem;
    if (!problem) {
        try {
            return resultSections[result.kind](result, id);
        } catch {
            problem = `${result.kind}.json of ${result.name} holds something that no command of dynconv writes there, and cannot be shown.`;
        }
    }
    return section(id, `${result.kind[0].toUpperCase()}${result.kind.slice(1)}: ${result.name}`, h("p", { class: "problem" }, problem));
}

function describe(data) {
    const parts = [
        count(data.runs.length, "run"),
        ...Object.keys(resultSections).map(kind => count(data.results.filter(result => result.kind === kind).length, `${kind} result`)),
    ].filter(part => part !== "");
    return `${parts.join(", ")}${data.generated ? ` · made ${data.generated.replace("T", " ").slice(0, 16)} UTC` : ""}`;
}

function count(number, noun) {
    return number === 0 ? "" : number === 1 ? `1 ${noun}` : `${number} ${noun}s`;
}

const data = embedded();
const page = new Page();
if (data !== null) {
    page.update(data);
} else {
    follow(news => page.update(news), state => page.setState(state));
}
