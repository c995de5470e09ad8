// Says which values are under the pointer. Charts are complete without it: it reads them from the drawn lines and the axes' ranges.
//<![CDATA[
(function () {
  "use strict";
  var box = document.createElement("div");
  box.className = "under";
  document.body.appendChild(box);

  function axis(text) {
    var parts = text.split(" ");
    var low = Number(parts[2]), high = Number(parts[3]);
    return {
      unit: parts[1],
      at: function (share) {
        return parts[0] === "log" ? low * Math.pow(high / low, share) : low + (high - low) * share;
      }
    };
  }
  function digits(value) {
    var size = Math.abs(value);
    if (size === 0) { return "0"; }
    return size >= 99.95 ? Math.round(value).toLocaleString("en") : size >= 9.995 ? value.toFixed(1) : size >= 0.0995 ? value.toFixed(2) : String(Number(value.toPrecision(2)));
  }
  function said(unit, value) {
    if (unit === "latency") {
      return value >= 999500 ? digits(value / 1e6) + " s" : value >= 999.5 ? digits(value / 1e3) + " ms"
        : value >= 0.9995 ? digits(value) + " \u00b5s" : digits(value * 1e3) + " ns";
    }
    if (unit === "rate") { return value >= 999500 ? digits(value / 1e6) + " M/s" : digits(value) + " /s"; }
    if (unit === "count") { return digits(value); }
    if (unit === "seconds") { return digits(value) + " s"; }
    if (unit === "cores") { return digits(value) + " cores"; }
    if (unit === "bytes") {
      return value >= 1073204965 ? digits(value / 1073741824) + " GiB" : value >= 1048051 ? digits(value / 1048576) + " MiB"
        : value >= 1023.5 ? digits(value / 1024) + " KiB" : digits(value) + " B";
    }
    if (unit === "share") { return digits(value * 100) + " %"; }
    var nines = Math.ceil(Math.log10(Math.max(value, 1))) + 1;
    return (100 - 100 / value).toFixed(Math.max(0, nines - 1)) + " %";
  }
  // The points of a drawn path; a place where the line is interrupted begins with M and is a point like others.
  function points(path) {
    return path.getAttribute("d").split(/[ML]/).slice(1).map(function (pair) { return pair.split(" ").map(Number); });
  }
  function nearest(line, x) {
    var best = null;
    line.forEach(function (point) {
      if (best === null || Math.abs(best[0] - x) > Math.abs(point[0] - x)) { best = point; }
    });
    return best;
  }

  document.querySelectorAll("svg[data-plot]").forEach(function (svg) {
    var plot = svg.dataset.plot.split(" ").map(Number);
    var across = axis(svg.dataset.x), up = axis(svg.dataset.y);
    var lines = Array.from(svg.querySelectorAll("g.series")).map(function (group) {
      var path = group.querySelector(".line, .dashed");
      return path === null ? null : { name: group.dataset.name, tone: group.classList[1], points: points(path) };
    }).filter(Boolean);
    if (lines.length === 0) { return; }
    var cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", plot[1]);
    cursor.setAttribute("y2", plot[1] + plot[3]);
    function leave() {
      box.style.display = "none";
      if (cursor.parentNode) { svg.removeChild(cursor); }
    }
    svg.addEventListener("pointerleave", leave);
    svg.addEventListener("pointermove", function (event) {
      var area = svg.getBoundingClientRect();
      var x = (event.clientX - area.left) * svg.viewBox.baseVal.width / area.width;
      var share = (x - plot[0]) / plot[2];
      if (0 > share || share > 1) { leave(); return; }
      cursor.setAttribute("x1", x);
      cursor.setAttribute("x2", x);
      if (!cursor.parentNode) { svg.appendChild(cursor); }
      box.textContent = said(across.unit, across.at(share));
      lines.forEach(function (line) {
        var point = nearest(line.points, x);
        if (point === null || Math.abs(point[0] - x) > plot[2] / 20) { return; }
        var row = document.createElement("div"), name = document.createElement("b");
        name.textContent = line.name;
        name.className = line.tone;
        row.appendChild(name);
        row.appendChild(document.createTextNode(said(up.unit, up.at((plot[1] + plot[3] - point[1]) / plot[3]))));
        box.appendChild(row);
      });
      box.style.display = "block";
      var left = event.clientX + 16 + box.offsetWidth > window.innerWidth ? event.clientX - 16 - box.offsetWidth : event.clientX + 16;
      box.style.left = Math.max(4, left) + "px";
      box.style.top = Math.max(4, event.clientY - box.offsetHeight / 2) + "px";
    });
  });
})();
//]]>
