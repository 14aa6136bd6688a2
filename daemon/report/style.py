"""The look of a report: one sheet, light and dark, nothing fetched from anywhere."""

from typing import Final

CSS: Final = """
:root{--bg:#f5f6f8;--card:#fff;--ink:#14181f;--mute:#687182;--line:#e3e6ec;--soft:#f0f2f6;
--accent:#3565e0;
--good:#0b7a55;--goodbg:#e3f5ee;--bad:#c2360f;--badbg:#fdeae3;--warn:#8a5a00;--warnbg:#fdf3da;
--buy:#0a8f86;--sell:#c9387f;--market:#c6cdd9;color-scheme:light dark}
@media(prefers-color-scheme:dark){:root{--bg:#0c1016;--card:#141a22;--ink:#e7ebf1;--mute:#8d97a6;
--line:#262e39;--soft:#1b222c;--accent:#7ea2ff;--good:#4cc799;--goodbg:#11302a;--bad:#ff8a63;
--badbg:#3a1d15;
--warn:#e9bd5c;--warnbg:#33290f;--buy:#3fcfc2;--sell:#f37cb3;--market:#3a4554}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue",Arial,sans-serif;font-variant-numeric:tabular-nums;-webkit-font-smoothing:antialiased}
main{max-width:1080px;margin:0 auto;padding:40px 24px 64px}
header{margin-bottom:24px}
.brand{font-size:12px;font-weight:600;letter-spacing:.14em;text-transform:uppercase;color:var(--mute)}
h1{font-size:32px;line-height:1.2;letter-spacing:-.02em;margin:6px 0 4px;font-weight:650}
h2{font-size:20px;letter-spacing:-.01em;margin:40px 0 12px;font-weight:620}
h3{font-size:13px;font-weight:600;margin:0 0 10px;color:var(--mute)}
.sub{color:var(--mute)}.mute{color:var(--mute)}.small{font-size:13px}
.badges{display:flex;flex-wrap:wrap;gap:8px;margin-top:14px}
.badge{font-size:12.5px;font-weight:550;padding:3px 10px;border-radius:99px;background:var(--soft);
color:var(--mute);
border:1px solid var(--line)}
.badge.good{background:var(--goodbg);color:var(--good);border-color:transparent}
.badge.bad{background:var(--badbg);color:var(--bad);border-color:transparent}
.badge.warn{background:var(--warnbg);color:var(--warn);border-color:transparent}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:18px 20px;
margin:0 0 16px;
overflow:hidden}
.kpis{display:grid;grid-template-columns:repeat(auto-fit,minmax(150px,1fr));padding:0;gap:1px;
background:var(--line)}
.kpi{background:var(--card);padding:16px 20px}
.kpi b{display:block;font-size:23px;font-weight:620;letter-spacing:-.02em;line-height:1.25}
.kpi span{font-size:12.5px;color:var(--mute)}
.bar-track{height:4px;border-radius:2px;background:var(--soft);margin-top:8px;overflow:hidden}
.bar-track i{display:block;height:100%;background:var(--accent);border-radius:2px}
.kpi b span{font-size:inherit;color:inherit}.kpi b .cost-text,.cost-text{color:var(--bad)}
.kpi b .gain-text,.gain-text{color:var(--good)}
.two{display:grid;grid-template-columns:1fr 1fr;gap:16px}
@media(max-width:760px){.two{grid-template-columns:1fr}main{padding:24px 14px}h1{font-size:26px}}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}
svg text{fill:var(--mute);font-variant-numeric:tabular-nums}
.axis.y{text-anchor:end}.axis.x{text-anchor:middle}.tag{text-anchor:end;font-size:11px;paint-order:stroke;stroke:var(--card);stroke-width:3px}
.grid{stroke:var(--line);stroke-width:1}.base,.tick{stroke:var(--line);stroke-width:1.2}
.done{fill:none;stroke:var(--accent);stroke-width:2.2;stroke-linejoin:round}
.done-area{fill:var(--accent);opacity:.1}
.plan{fill:none;stroke:var(--mute);stroke-width:1.5;stroke-dasharray:6 5}
.goal{stroke:var(--mute);stroke-width:1;stroke-dasharray:2 4;opacity:.6}
.spread{fill:var(--accent);opacity:.13}
.bid,.ask{fill:none;stroke:var(--accent);stroke-width:1;opacity:.6;stroke-linejoin:round}
.arrival{stroke:var(--mute);stroke-width:1.3;stroke-dasharray:7 5}
.average{stroke:var(--ink);stroke-width:1.3;stroke-dasharray:2 3}.average-tag{fill:var(--ink)}
.limit{stroke:var(--bad);stroke-width:1.3}.limit-tag{fill:var(--bad)}
.fill{stroke-width:1.6}.fill.BUY{stroke:var(--buy)}.fill.SELL{stroke:var(--sell)}
.fill.rest{fill:var(--card)}.fill.take.BUY{fill:var(--buy)}.fill.take.SELL{fill:var(--sell)}
.fill.take{fill-opacity:.75}
.bar.market{fill:var(--market)}.bar.ours{fill:var(--accent)}
rect.cost{fill:var(--bad);opacity:.55}rect.gain{fill:var(--good);opacity:.55}
rect.total{opacity:1}text.value{fill:var(--ink);font-size:13px}text.total{font-weight:650;
fill:var(--ink)}
text.name{font-size:13px}
.legend{display:flex;flex-wrap:wrap;gap:16px;font-size:12.5px;color:var(--mute);margin:2px 0 10px}
.legend i{display:inline-block;vertical-align:middle;margin-right:6px}
.legend .l{width:18px;border-top:2px solid var(--accent)}.legend .p{width:18px;
border-top:2px dashed var(--mute)}
.legend .o{width:10px;height:10px;border-radius:50%;border:2px solid var(--mute)}
.legend .f{width:10px;height:10px;border-radius:50%;background:var(--mute)}
.legend .m{width:10px;height:10px;background:var(--market)}.legend .u{width:10px;height:10px;
background:var(--accent)}
table{border-collapse:collapse;width:100%;font-size:13.5px}
.scroll{max-height:440px;overflow:auto;margin:0 -20px -18px;padding:0 20px 12px}
th{position:sticky;top:0;background:var(--card);text-align:left;font-weight:600;color:var(--mute);
font-size:12.5px;
padding:6px 14px 6px 0;border-bottom:1px solid var(--line);white-space:nowrap}
td{padding:6px 14px 6px 0;border-bottom:1px solid var(--line);white-space:nowrap}
tr:last-child td{border-bottom:0}
th.n,td.n{text-align:right;padding-right:26px}th.n:last-child,td.n:last-child{padding-right:4px}
code{font:12.5px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}
dl{display:grid;grid-template-columns:max-content 1fr;gap:4px 18px;margin:0;font-size:13.5px}
dt{color:var(--mute)}
dd{margin:0;overflow-wrap:anywhere}ul{margin:8px 0 0;padding-left:18px}
footer{margin-top:36px;color:var(--mute);font-size:12.5px}
@media print{body{background:#fff}.card{break-inside:avoid}.scroll{max-height:none}}
"""
