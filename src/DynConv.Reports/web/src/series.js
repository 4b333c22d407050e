/** Index of the first element that is not below a value; xs ascends. */
export function lowerBound(xs, value) {
    let low = 0;
    let high = xs.length;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (xs[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/** Index of the element nearest to a value, by ratio on a logarithmic axis; -1 if there is none. */
export function nearest(xs, value, log = false) {
    const after = lowerBound(xs, value);
    if (after === 0 || after === xs.length) {
        return Math.min(after, xs.length - 1);
    }
    const [low, high] = [xs[after - 1], xs[after]];
    return (log ? value / low <= high / value : value - low <= high - value) ? after - 1 : after;
}

/**
 * What of a curve can be seen: the points between two values and one on each side; where there are more than pixels,
 * the least and the most of each column of pixels, so that no spike is lost.
 * @returns {[number[], number[]]}
 */
export function decimate(xs, ys, from, to, columns) {
    const first = Math.max(0, lowerBound(xs, from) - 1);
    const end = Math.min(xs.length, lowerBound(xs, to) + 1);
    if (end - first <= 2 * columns) {
        return [xs.slice(first, end), ys.slice(first, end)];
    }
    const outX = [];
    const outY = [];
    const scale = columns / (to - from);
    let column = NaN;
    let least = first;
    let most = first;
    const flush = () => {
        const [a, b] = least < most ? [least, most] : [most, least];
        outX.push(xs[a]);
        outY.push(ys[a]);
        if (b !== a && xs[b] > xs[a]) {
            outX.push(xs[b]);
            outY.push(ys[b]);
        }
    };
    for (let i = first; i < end; i++) {
        const at = Math.floor((xs[i] - from) * scale);
        if (at !== column) {
            if (i > first) {
                flush();
            }
            column = at;
            least = most = i;
        } else if (ys[i] < ys[least]) {
            least = i;
        } else if (ys[i] > ys[most]) {
            most = i;
        }
    }
    flush();
    return [outX, outY];
}

/** An exponential mean that forgets its start: the first value weighs no more than the others. */
export function smooth(ys, share) {
    if (share <= 0) {
        return ys;
    }
    const out = new Array(ys.length);
    let mean = 0;
    let weight = 0;
    for (let i = 0; i < ys.length; i++) {
        if (ys[i] === null) {
            out[i] = null; // A step whose loss was no number.
            continue;
        }
        mean = share * mean + (1 - share) * ys[i];
        weight = share * weight + (1 - share);
        out[i] = mean / weight;
    }
    return out;
}

/** Round numbers between two bounds. */
export function ticks(low, high, about) {
    const rough = (high - low) / Math.max(1, about);
    if (!(rough > 0)) {
        return [low];
    }
    const unit = 10 ** Math.floor(Math.log10(rough));
    const step = unit * [1, 2, 5, 10].find(factor => unit * factor >= rough);
    const out = [];
    for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; i++) {
        out.push(Number((i * step).toPrecision(12)));
    }
    return out;
}

/** Round numbers of a logarithmic axis: powers of ten and, while there is room, 2 and 5 between them. */
export function logTicks(low, high, about) {
    const decades = Math.log10(high / low);
    if (decades < 1) {
        return ticks(low, high, about);
    }
    const factors = decades * 3 <= about ? [1, 2, 5] : [1];
    const stride = Math.max(1, Math.ceil(decades / about));
    const out = [];
    for (let exponent = Math.floor(Math.log10(low)); 10 ** exponent <= high; exponent += stride) {
        out.push(...factors.map(factor => factor * 10 ** exponent).filter(tick => tick >= low && tick <= high));
    }
    return out;
}

export function median(values) {
    const sorted = [...values].sort((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
