const scales = [[1e18, "E"], [1e15, "P"], [1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]];

const isNumber = value => typeof value === "number" && Number.isFinite(value);

/** A number with a few digits, as a person reads it; a dash for none. */
export function figure(value, digits = 4) {
    if (!isNumber(value)) {
        return "–";
    }
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e15)) {
        return value.toExponential(Math.max(0, digits - 2)).replace("e+", "e");
    }
    return size >= 1000 ? Math.round(value).toLocaleString("en-US") : value.toFixed(size >= 100 ? 1 : digits - 1);
}

/** A count with a suffix: 1.5M. */
export function short(value) {
    if (!isNumber(value)) {
        return "–";
    }
    const [unit, suffix] = scales.find(([least]) => Math.abs(value) >= least) ?? [1, ""];
    return `${Number((value / unit).toPrecision(3))}${suffix}`;
}

export function whole(value) {
    return isNumber(value) ? Math.round(value).toLocaleString("en-US") : "–";
}

export function percent(share) {
    return isNumber(share) ? `${(share * 100).toFixed(1)} %` : "–";
}

/** A power of ten and its factor: 3.2×10¹⁵. */
export function power(value) {
    if (!isNumber(value) || value === 0) {
        return isNumber(value) ? "0" : "–";
    }
    let exponent = Math.floor(Math.log10(Math.abs(value)));
    let factor = Number((value / 10 ** exponent).toPrecision(3));
    if (factor >= 10) {
        factor /= 10;
        exponent++;
    }
    const raised = String(exponent).replace(/[-\d]/g, digit => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(digit)]);
    return factor === 1 ? `10${raised}` : `${factor}×10${raised}`;
}

export function duration(seconds) {
    if (!isNumber(seconds)) {
        return "–";
    }
    if (seconds < 60) {
        return `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`;
    }
    const minutes = Math.round(seconds / 60);
    return minutes < 60 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")} min`;
}

export function signed(value, digits = 4) {
    return isNumber(value) && value > 0 ? `+${figure(value, digits)}` : figure(value, digits).replace("-", "−");
}

/** Mean and spread, as much of them as there is. */
export function spread(of, write = figure) {
    if (isNumber(of)) {
        return write(of);
    }
    const centre = of?.mean ?? of?.median;
    if (!isNumber(centre)) {
        return "–";
    }
    return isNumber(of.min) && isNumber(of.max) && of.min !== of.max ? `${write(centre)} (${write(of.min)} to ${write(of.max)})` : write(centre);
}
