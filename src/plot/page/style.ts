/** The look of the explorer. Colours are those of the page around it: its text colour, and shades of grey over its background. */
export const explorerStyle = `
.ams-explorer{font:14px/1.45 system-ui,sans-serif;max-width:1040px;color:inherit;--line:rgba(128,128,128,.45);--soft:rgba(128,128,128,.14);--pick:#d55e00;--tint:0,114,178}
.ams-explorer *{box-sizing:border-box}
.ams-explorer h4{margin:0 0 6px;font-size:15px}
.ams-explorer .bar{display:flex;flex-wrap:wrap;gap:6px 18px;align-items:center;margin:0 0 10px}
.ams-explorer .group{display:flex;flex-wrap:wrap;gap:4px;align-items:center}
.ams-explorer button{font:inherit;color:inherit;background:var(--soft);border:1px solid transparent;border-radius:5px;padding:2px 8px;cursor:pointer;line-height:1.4}
.ams-explorer button:disabled{opacity:.45;cursor:default}
.ams-explorer button:not(:disabled):hover{border-color:var(--line)}
.ams-explorer button[aria-pressed=true]{border-color:var(--pick);box-shadow:inset 0 -3px 0 var(--pick);font-weight:600}
.ams-explorer :focus-visible{outline:2px solid var(--pick);outline-offset:2px}
.ams-explorer .views{display:flex;flex-wrap:wrap;gap:18px 28px}
.ams-explorer .view{flex:1 1 420px;min-width:0}
.ams-explorer .caption{font-size:17px;line-height:2;margin:0 0 8px}
.ams-explorer .caption button{font-size:17px;padding:0 4px;margin:0;background:rgba(var(--tint),var(--support,0))}
.ams-explorer .caption button.none{text-decoration:line-through;opacity:.65}
.ams-explorer .special{font-size:12px;opacity:.8}
.ams-explorer .cut{opacity:.6;font-style:italic}
.ams-explorer .body{display:flex;flex-wrap:wrap;gap:14px}
.ams-explorer .stage{position:relative;flex:none;width:min(100%,var(--wide));cursor:crosshair;touch-action:manipulation;background:#fff}
.ams-explorer .stage img,.ams-explorer .thumb img{display:block;width:100%;height:100%;margin:0;max-width:none;filter:saturate(.3) opacity(.6)}
.ams-explorer .stage canvas,.ams-explorer .thumb canvas{position:absolute;inset:0;width:100%;height:100%;image-rendering:pixelated}
.ams-explorer .stage svg{position:absolute;inset:0;width:100%;height:100%;pointer-events:none}
.ams-explorer .side{flex:1 1 190px;min-width:0;font-size:13px}
.ams-explorer .said{min-height:4.4em;margin:0 0 8px}
.ams-explorer .heard{position:absolute;width:1px;height:1px;margin:-1px;overflow:hidden;clip-path:inset(50%);white-space:nowrap}
.ams-explorer .words{list-style:none;margin:0;padding:0}
.ams-explorer .words li{display:grid;grid-template-columns:minmax(60px,7em) 1fr 3.6em;gap:6px;align-items:center;margin:2px 0}
.ams-explorer .words button{text-align:left;overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.ams-explorer .words i{display:block;height:9px;background:rgb(var(--tint));border-radius:2px;min-width:1px}
.ams-explorer .words span{text-align:right;font-variant-numeric:tabular-nums}
.ams-explorer .scales{display:flex;flex-wrap:wrap;gap:6px;margin:10px 0 0}
.ams-explorer .scales button{padding:3px;flex:1 1 50px;max-width:78px;min-width:0;font-size:12px;text-align:center;display:flex;flex-direction:column;overflow:hidden}
.ams-explorer .thumb{position:relative;display:block;overflow:hidden;background:#fff;margin-bottom:2px}
.ams-explorer small{font-size:11px;opacity:.8;display:block;white-space:nowrap}
.ams-explorer details{margin-top:10px}
.ams-explorer summary{cursor:pointer}
.ams-explorer td .thumb{margin:0}
.ams-explorer table{border-collapse:collapse;font-size:12px;margin:6px 0 0;border:0}
.ams-explorer td,.ams-explorer th{padding:2px 3px;border:0;text-align:center;background:none;font-weight:normal}
.ams-explorer th[scope=row]{text-align:right;font-size:14px;padding-right:8px}
.ams-explorer th.none{text-decoration:line-through;opacity:.65}
.ams-explorer td button{padding:1px;width:52px;background:none}
.ams-explorer .legend{display:inline-block;width:120px;height:10px;vertical-align:middle;border:1px solid var(--line);background-color:#fff}
.ams-explorer input[type=range]{width:150px;vertical-align:middle;accent-color:var(--pick)}
`;
