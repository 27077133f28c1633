/** The look of the report: one column, light and dark, wide screens and phones. */
export const REPORT_STYLE = `
:root{color-scheme:light dark;--back:#fff;--card:#f6f7f9;--ink:#1f2328;--soft:#57606a;--line:#e1e4e8;--accent:#c2410c}
@media (prefers-color-scheme:dark){:root{--back:#16181d;--card:#1f2229;--ink:#e8eaed;--soft:#a3abb5;--line:#2e333c;--accent:#ff8a4c}}
*{box-sizing:border-box}
body{margin:0;background:var(--back);color:var(--ink);font:16px/1.55 system-ui,sans-serif}
main{max-width:1000px;margin:0 auto;padding:32px 20px 64px}
header{border-bottom:3px solid var(--accent);padding-bottom:18px}
h1{margin:0;font-size:clamp(1.5rem,5vw,2.1rem);line-height:1.2;overflow-wrap:anywhere}
h2{margin:44px 0 14px;font-size:1.3rem}
h3{margin:22px 0 6px;font-size:1rem}
p{margin:8px 0}
.soft,figcaption{color:var(--soft);font-size:.92rem}
.live{margin:14px 0 0;padding:8px 14px;border-left:3px solid var(--accent);background:var(--card);border-radius:0 8px 8px 0;font-weight:600;font-variant-numeric:tabular-nums}
.facts{display:grid;grid-template-columns:repeat(auto-fit,minmax(130px,1fr));gap:10px;margin:22px 0 0}
.facts div{background:var(--card);border-radius:8px;padding:10px 14px}
.facts dt{color:var(--soft);font-size:.85rem}
.facts dd{margin:0;font-size:1.12rem;font-weight:600;overflow-wrap:anywhere}
img{display:block;width:100%;height:auto;image-rendering:pixelated;border-radius:4px}
.samples{display:grid;grid-template-columns:repeat(auto-fill,minmax(max(78px,11%),1fr));gap:10px}
.progress{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,290px),1fr));gap:18px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,380px),1fr));gap:14px}
.plots svg{width:100%;height:auto;border:1px solid var(--line);border-radius:8px}
figure{margin:0}
figcaption{margin-top:6px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:6px 16px 6px 0;border-bottom:1px solid var(--line);vertical-align:top}
th{font-weight:500;color:var(--soft);white-space:nowrap}
td{overflow-wrap:anywhere;font-variant-numeric:tabular-nums}
pre{background:var(--card);border-radius:8px;padding:14px 16px;overflow-x:auto;font:14px/1.5 ui-monospace,monospace;margin:8px 0}
`;
