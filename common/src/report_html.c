// SPDX-License-Identifier: MIT
/* The page: one HTML file that needs nothing else, readable without its script, in light and dark,
 * on a phone and on paper. Results stand on top, then the plots, then the settings. */
#include "report_private.h"

#include <ctrain/blas.h>
#include <ctrain/kernels.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

/* Colours by Okabe and Ito, told apart by the colour-blind, made darker or lighter where they would
 * be too faint on the background. */
static const char style[] =
    ":root{color-scheme:light dark;--bg:#f6f7f9;--card:#fff;--ink:#1b1f24;--soft:#5b6470;"
    "--rule:#e3e6ea;--axis:#8b94a0;"
    "--c0:#0072b2;--c1:#d55e00;--c2:#009e73;--c3:#b8569a;--c4:#c98500;--c5:#3aa3dc;--c6:#6b5b95;"
    "--c7:#4d5661}\n"
    "@media(prefers-color-scheme:dark){:root{--bg:#12151a;--card:#1b2027;--ink:#e8ebef;"
    "--soft:#9aa4b1;--rule:#2c333d;--axis:#66707d;"
    "--c0:#56a8e8;--c1:#ff8a3d;--c2:#2fcb9a;--c3:#e29ac8;--c4:#f0b73a;--c5:#8ed3f7;--c6:#a99be0;"
    "--c7:#aab4c0}}\n"
    "*{box-sizing:border-box}\n"
    "body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"
    "\"Segoe UI\",Roboto,\"Noto Sans\",\"DejaVu Sans\",sans-serif;"
    "font-variant-numeric:tabular-nums}\n"
    "main{max-width:1160px;margin:0 auto;padding:28px 20px 40px}\n"
    "h1{font-size:27px;line-height:1.25;margin:0;font-weight:650;overflow-wrap:anywhere}\n"
    "h2{font-size:14px;font-weight:600;color:var(--soft);margin:30px 0 10px}\n"
    ".sub{color:var(--soft);margin:4px 0 0}\n"
    ".tiles{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,165px),1fr));"
    "gap:12px;margin:0;grid-auto-flow:dense}\n"
    ".tiles div,figure,.settings{background:var(--card);border:1px solid var(--rule);"
    "border-radius:10px}\n"
    ".tiles div{padding:10px 14px 11px;min-width:0}\n"
    "dt{color:var(--soft);font-size:13px}\n"
    "dd{margin:0;overflow-wrap:anywhere}\n"
    ".tiles dd{font-size:20px;font-weight:600;line-height:1.3}\n"
    ".tiles .long{grid-column:span 2}.tiles .long dd{font-size:15px;line-height:1.7}\n"
    ".plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,440px),1fr));"
    "gap:16px}\n"
    "figure{display:flex;flex-direction:column;margin:0;padding:14px 14px 8px;min-width:0;"
    "position:relative}\n"
    "figcaption{font-weight:600;font-size:16px}\n"
    ".legend{display:flex;flex-wrap:wrap;gap:2px 16px;list-style:none;margin:4px 0 6px;padding:0;"
    "font-size:13.5px}\n"
    ".legend b{font-weight:500}\n"
    ".legend span{color:var(--soft)}\n"
    ".legend i,.tip i{display:inline-block;width:11px;height:11px;border-radius:3px;"
    "margin-right:6px;background:currentColor;vertical-align:-1px}\n"
    ".none{color:var(--soft);margin:24px 0}\n"
    "svg{display:block;width:100%;height:auto;margin-top:auto;overflow:visible;touch-action:pan-y}"
    "\n"
    "text{font-size:12.5px;fill:var(--soft)}\n"
    ".e{font-size:75%}\n"
    ".yt{text-anchor:end}.xt,.xl{text-anchor:middle}.xt.end{text-anchor:end}\n"
    ".grid{stroke:var(--rule)}.minor{stroke-opacity:.5}.axis{stroke:var(--axis)}\n"
    ".cross{stroke:var(--axis);stroke-dasharray:3 3}\n"
    ".line{fill:none;stroke:currentColor;stroke-width:2.2;stroke-linejoin:round;"
    "stroke-linecap:round}\n"
    ".dot{fill:currentColor}\n"
    ".area{fill:currentColor;fill-opacity:.85}\n"
    ".c0{color:var(--c0)}.c1{color:var(--c1)}.c2{color:var(--c2)}.c3{color:var(--c3)}"
    ".c4{color:var(--c4)}.c5{color:var(--c5)}.c6{color:var(--c6)}.c7{color:var(--c7)}\n"
    ".tip{position:absolute;pointer-events:none;background:var(--card);color:var(--ink);"
    "border:1px solid var(--axis);border-radius:7px;padding:5px 9px;font-size:13px;line-height:1.4;"
    "white-space:nowrap;box-shadow:0 2px 8px #0003;z-index:1}\n"
    ".settings{padding:6px 16px;columns:2 380px;column-gap:40px;margin:0}\n"
    ".settings div{display:flex;justify-content:space-between;gap:16px;padding:4px 0;"
    "break-inside:avoid;border-bottom:1px solid var(--rule)}\n"
    ".settings dd{text-align:right;min-width:0}\n"
    "@media(max-width:600px){main{padding:20px 12px}h1{font-size:22px}figure{padding:12px 8px 6px}"
    "text{font-size:17px}.yl{transform:translateY(-5px)}.line{stroke-width:3}"
    ".tiles{grid-template-columns:repeat(auto-fill,minmax(min(100%,140px),1fr));gap:8px}"
    ".tiles dd{font-size:18px}}\n"
    "@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444}main{padding:0;max-width:none}"
    "figure,.tiles div{break-inside:avoid}.plots{grid-template-columns:1fr 1fr}}\n";

/* Under the pointer: the values at the nearest point of the first series' x. */
static const char script[] =
    "for(const svg of document.querySelectorAll('svg')){\n"
    "const fig=svg.parentNode,names=[...fig.querySelectorAll('.legend b')].map(b=>b.textContent);\n"
    "const series=[...svg.querySelectorAll('[data-v]')].map((p,i)=>{\n"
    "const v=p.dataset.v?p.dataset.v.split(' '):[],d=p.getAttribute('d').match(/[\\d.]+/g)||[];\n"
    "return{name:names[i],color:'c'+i%8,x:d.filter((_,k)=>k%2==0).map(Number)"
    ".slice(0,v.length/2),v}}).filter(s=>s.x.length);\n"
    "if(!series.length)continue;\n"
    "const unit=u=>u?(u[0]=='×'?' ':' ')+u:'';\n"
    "const tip=document.createElement('div');tip.className='tip';tip.hidden=true;fig.append(tip);\n"
    "const cross=document.createElementNS('http://www.w3.org/2000/svg','line');\n"
    "cross.setAttribute('class','cross');cross.setAttribute('y1',24);cross.setAttribute('y2',238);"
    "\n"
    "cross.style.display='none';svg.append(cross);\n"
    "const near=(s,x)=>{let a=0;s.x.forEach((p,i)=>{if(Math.abs(p-x)<Math.abs(s.x[a]-x))a=i});"
    "return a};\n"
    "svg.addEventListener('pointermove',e=>{\n"
    "const r=svg.getBoundingClientRect(),f=fig.getBoundingClientRect();\n"
    "const i=near(series[0],(e.clientX-r.left)*560/r.width),x=series[0].x[i];\n"
    "tip.replaceChildren();\n"
    "const row=(t,c)=>{const d=document.createElement('div');\n"
    "if(c){const k=document.createElement('i');k.className=c;d.append(k)}d.append(t);"
    "tip.append(d)};\n"
    "row(svg.dataset.x+' '+series[0].v[2*i]+unit(svg.dataset.xu));\n"
    "for(const s of series)row(s.name+': '+s.v[2*near(s,x)+1]+unit(svg.dataset.yu),s.color);\n"
    "cross.setAttribute('x1',x);cross.setAttribute('x2',x);\n"
    "cross.style.display='';tip.hidden=false;\n"
    "const at=r.left-f.left+x*r.width/560,w=tip.offsetWidth;\n"
    "tip.style.left=(at+14+w>f.width?Math.max(4,at-14-w):at+14)+'px';\n"
    "tip.style.top=(r.top-f.top+36)+'px'});\n"
    "svg.addEventListener('pointerleave',()=>{tip.hidden=true;cross.style.display='none'})}\n";

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n > m && strcmp(text + n - m, end) == 0;
}

static bool begins_with(const char *text, const char *begin)
{
    return strncmp(text, begin, strlen(begin)) == 0;
}

/* "s" or "B" for keys of results such as "seconds_read" and "peak_memory_bytes", else "". */
static const char *unit_of_key(const char *key)
{
    if (strcmp(key, "seconds") == 0 || begins_with(key, "seconds_") || ends_in(key, "_seconds") ||
        ends_in(key, "_s"))
        return "s";
    bool bytes =
        begins_with(key, "bytes_") || ends_in(key, "_bytes") || strstr(key, "_bytes_") != NULL;
    return bytes ? "B" : "";
}

/* The key in words: "grad_norm" is "grad norm". The words that say only what the value's unit says
 * are left out: "peak_memory_bytes" is "peak memory", "seconds_read" is "read". */
static void write_key(ct_file_writer *out, const char *key)
{
    static const char *const ends[] = {"_s", "_seconds", "_bytes"};
    char text[96];
    snprintf(text, sizeof text, "%s", begins_with(key, "seconds_") ? key + 8 : key);
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (ends_in(text, ends[i])) {
            text[strlen(text) - strlen(ends[i])] = '\0';
            break;
        }
    for (char *c = text; *c != '\0'; c++)
        *c = *c == '_' ? ' ' : *c;
    ct__report_escape(out, strcmp(text, "seconds") == 0 ? "time" : text);
}

/* A result with six digits, four where it has zeros in front or an exponent: tiles are narrow, and
 * the whole number is shown under the pointer. */
static void write_short(ct_file_writer *out, double value)
{
    char text[CT__REPORT_TEXT_SIZE];
    ct__report_digits(text, value, 6);
    if (strchr(text, 'e') != NULL || fabs(value) < 1e-2)
        ct__report_digits(text, value, 4);
    ct_file_writer_printf(out, "%s", text);
}

static void write_number(ct_file_writer *out, const ct__report_field *field, bool is_result)
{
    char text[CT__REPORT_TEXT_SIZE];
    double value = field->kind == CT__REPORT_INTEGER ? (double)field->integer : field->number;
    const char *unit = is_result ? unit_of_key(field->key) : "";
    if (isnan(value))
        ct_file_writer_printf(out, "–");
    else if (unit[0] != '\0')
        ct__report_escape(out, ct__report_measure(text, value, unit));
    else if (field->kind == CT__REPORT_INTEGER && is_result)
        ct_file_writer_printf(out, "%s", ct__report_grouped(text, field->integer));
    else if (field->kind == CT__REPORT_INTEGER)
        ct_file_writer_printf(out, "%" PRId64, field->integer);
    else if (is_result)
        write_short(out, value);
    else
        ct_file_writer_printf(out, "%s", ct__report_digits(text, value, 15));
}

/* The whole of a number that is shown in short. */
static void write_title(ct_file_writer *out, const ct__report_field *field)
{
    char text[CT_NUMBER_TEXT_SIZE];
    if (field->kind == CT__REPORT_INTEGER) {
        ct_file_writer_printf(out, " title=\"%" PRId64 "\"", field->integer);
    } else if (field->kind == CT__REPORT_NUMBER && isfinite(field->number)) {
        ct_number_text(text, field->number);
        ct_file_writer_printf(out, " title=\"%s\"", text);
    }
}

static void write_value(ct_file_writer *out, const ct__report_field *field, bool is_result)
{
    switch (field->kind) {
    case CT__REPORT_STRING:
        ct__report_escape(out, field->string != NULL ? field->string : "–");
        break;
    case CT__REPORT_BOOL:
        ct_file_writer_printf(out, field->integer != 0 ? "yes" : "no");
        break;
    case CT__REPORT_NUMBER:
    case CT__REPORT_INTEGER:
        write_number(out, field, is_result);
        break;
    }
}

static void write_fields(ct_file_writer *out, const char *heading, const char *class,
                         const ct__report_fields *fields, bool is_result)
{
    enum { SHORT_TEXT = 18 };
    if (fields->n == 0)
        return;
    ct_file_writer_printf(out, "<h2>%s</h2>\n<dl class=\"%s\">\n", heading, class);
    for (size_t i = 0; i < fields->n; i++) {
        const ct__report_field *field = &fields->items[i];
        bool is_long = field->string != NULL && strlen(field->string) > SHORT_TEXT;
        ct_file_writer_printf(out, "<div%s><dt>", is_long ? " class=\"long\"" : "");
        write_key(out, field->key);
        ct_file_writer_printf(out, "</dt><dd");
        write_title(out, field);
        ct_file_writer_printf(out, ">");
        write_value(out, field, is_result);
        ct_file_writer_printf(out, "</dd></div>\n");
    }
    ct_file_writer_printf(out, "</dl>\n");
}

static void write_head(ct_file_writer *out, const ct_report *report)
{
    char date[64] = "";
    struct tm local;
    if (localtime_r(&report->begun, &local) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M %Z", &local);
    ct_file_writer_printf(out, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta "
                               "charset=\"utf-8\">\n<meta name=\"viewport\" "
                               "content=\"width=device-width,initial-scale=1\">\n<title>");
    ct__report_escape(out, report->title);
    ct_file_writer_printf(out, "</title>\n<style>\n");
    ct_file_writer_write(out, style, sizeof style - 1);
    ct_file_writer_printf(out, "</style>\n</head>\n<body>\n<main>\n<header>\n<h1>");
    ct__report_escape(out, report->title);
    ct_file_writer_printf(out, "</h1>\n<p class=\"sub\">");
    ct__report_escape(out, report->program);
    ct_file_writer_printf(out, " · %s · BLAS: %s · ", ct_kernels_get()->name,
                          ct_blas_description());
    ct__report_escape(out, date);
    ct_file_writer_printf(out, "</p>\n</header>\n");
}

ct_status ct__report_write_html(ct_file_writer *out, const ct_report *report)
{
    write_head(out, report);
    write_fields(out, "Results", "tiles", &report->fields[CT_REPORT_RESULT], true);
    if (report->n_plots > 0)
        ct_file_writer_printf(out, "<h2>Progress</h2>\n<div class=\"plots\">\n");
    for (size_t i = 0; i < report->n_plots; i++)
        CT_TRY(ct__report_write_plot(out, report, &report->plots[i]));
    if (report->n_plots > 0)
        ct_file_writer_printf(out, "</div>\n");
    write_fields(out, "Settings", "settings", &report->fields[CT_REPORT_SETTING], false);
    ct_file_writer_printf(out, "</main>\n<script>\n");
    ct_file_writer_write(out, script, sizeof script - 1);
    ct_file_writer_printf(out, "</script>\n</body>\n</html>\n");
    return CT_OK;
}
