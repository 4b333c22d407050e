const columns = ["step", "loss", "learning_rate", "gradient_norm", "tokens", "tokens_per_second", "seconds"];
const validationColumns = ["step", "loss", "perplexity", "bits_per_byte", "tokens", "seconds"];

/** What the page was made with; null on a page that is served live. */
export function embedded() {
    const element = document.getElementById("data");
    return element && JSON.parse(element.textContent);
}

/**
 * Follows a run while it goes on: asks for what is new and adds it to what is there.
 * @param {(data: object) => void} onData called whenever something has changed
 * @param {(state: string) => void} onState live or lost
 */
export async function follow(onData, onState, interval = 1500) {
    let data = null;
    for (;;) {
        const news = await ask(position(data));
        onState(news === null ? "lost" : "live");
        if (news !== null) {
            const [merged, changed] = merge(data, news);
            data = merged;
            if (changed) {
                onData(data);
            }
        }
        await new Promise(resolve => setTimeout(resolve, interval));
    }
}

/** The server's answer; null while there is none: it may have been stopped, and be started again. */
async function ask(query) {
    try {
        const response = await fetch(`data?${query}`, { cache: "no-store" });
        return response.ok ? await response.json() : null;
    } catch {
        return null;
    }
}

/** Where a reader is, so that the server sends only what comes after. */
function position(data) {
    if (data === null) {
        return "";
    }
    const have = data.runs.map(run => [run.id, run.epoch, run.training.step.length, run.validation.step.length].join("."));
    return new URLSearchParams({ session: data.session, stamp: data.stamp, have: have.join("_") });
}

function merge(old, news) {
    if (old === null || old.session !== news.session) {
        return [news, true];
    }
    const before = new Map(old.runs.map(run => [run.id, run]));
    let changed = news.stamp !== old.stamp || old.runs.length !== news.runs.length || String(old.problems) !== String(news.problems);
    for (const run of news.runs) {
        const known = before.get(run.id);
        changed ||= !known || known.epoch !== run.epoch || known.running !== run.running || known.finished !== run.finished || run.training.step.length > 0 || run.validation.step.length > 0;
        if (known && known.epoch === run.epoch) {
            run.training = append(known.training, run.training, columns);
            run.validation = append(known.validation, run.validation, validationColumns);
        }
    }
    if (!news.results) {
        news.results = old.results;
    }
    return [news, changed];
}

function append(old, news, names) {
    for (const name of names) {
        for (const value of news[name]) {
            old[name].push(value);
        }
    }
    return old;
}
