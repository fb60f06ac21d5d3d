# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
"""Chat templates and conversations for make_golden.py.

The templates are ours; together they use what templates of the known model
families use. Every template is rendered with every conversation.
"""

TEMPLATES = {
    "chatml": """{% for message in messages %}
{% if loop.first and messages[0]['role'] != 'system' %}
{{ '<|im_start|>system\\nYou are of help.<|im_end|>\\n' }}
{% endif %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content']|string + '<|im_end|>' + '\\n' }}
{% endfor %}
{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}""",
    "alternate": """{{ bos_token }}{% if messages[0].role == 'system' %}{% set system = messages[0].content %}{% set rest = messages[1:] %}
{%- else %}{% set system = '' %}{% set rest = messages %}{% endif %}
{%- for m in rest %}
    {%- if (m.role == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('roles must alternate, got ' ~ m.role) }}{% endif %}
    {%- if m.role == 'user' %}[Q] {% if loop.first and system %}{{ '<<' + system + '>>\\n' }}{% endif %}{{ m.content|trim }} [/Q]
    {%- else %} {{ m.content|trim }} {{ eos_token }}{% endif %}
{%- endfor %}""",
    "tools": """{%- if tools %}
{{- '# Tools\\n' }}
{%- for tool in tools %}
{{- tool | tojson }}
{{ tool | tojson(indent=4) }}
{{ tool | tojson(sort_keys=true, separators=(',', ':')) }}
{%- set f = tool.function %}
def {{ f.name }}(
{%- for name, p in f.parameters.properties.items() -%}
{{ name }}: {{ p.type }}{% if name not in f.parameters.required %} = None{% endif %}{{ ", " if not loop.last }}
{%- endfor -%}
)
{% endfor %}
{%- endif %}
{%- for m in messages %}
{%- if m.tool_calls is defined and m.tool_calls %}
{%- for call in m.tool_calls %}
<call>{"name": "{{ call.function.name }}", "arguments": {{ call.function.arguments | tojson }}}</call>
{%- endfor %}
{%- elif m.role == "tool" %}
<result>{{ m.content }}</result>
{%- else %}
<{{ m.role }}>{{ m.content }}
{%- endif %}
{%- endfor %}""",
    "thinking": """{%- set ns = namespace(last=-1, seen=false, n=0) %}
{%- for m in messages[::-1] %}
{%- set i = (messages|length - 1) - loop.index0 %}
{%- if not ns.seen and m.role == 'user' and m.content is string and not (m.content.startswith('<result>') and m.content.endswith('</result>')) %}
{%- set ns.seen = true %}{%- set ns.last = i %}
{%- endif %}
{%- endfor %}
{%- for m in messages %}
{%- if m.content is string %}{% set content = m.content %}{% else %}{% set content = '' %}{% endif %}
{%- if '</think>' in content %}
{%- set thought = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
{%- set content = content.split('</think>')[-1].lstrip('\\n') %}
{%- else %}{% set thought = none %}{% endif %}
{%- if loop.index0 > ns.last and thought %}
{{ m.role }}: ({{ thought.strip() }}) {{ content }}
{%- else %}
{{ m.role }}: {{ content }}
{%- endif %}
{%- set ns.n = ns.n + content|length %}
{%- endfor %}
{{ ns.n }}""",
    "parts": """{% for m in messages -%}
{{ m.role }}={% if m.content is string %}S:{{ m.content }}{% elif m.content is iterable and m.content is not mapping %}
{%- for part in m.content %}
{%- if part.type == 'text' %}T:{{ part['text'] }};{% else %}<{{ part.type }}>{% endif %}
{%- endfor %}{% else %}-{% endif %}
{{ m.content is sequence }} {{ m.content is mapping }} {{ m.content is none }}
{% endfor %}""",
    "macro": """{% macro turn(role, text, close=true) %}<{{ role }}>{{ text }}{% if close %}</{{ role }}>{% endif %}{% endmacro %}
{% for m in messages if m.role != 'system' %}{{ turn(m.role, m.content) }}{{ loop.cycle('a', 'b') }}{{ loop.previtem.role if loop.previtem is defined else '^' }}{{ loop.nextitem.role if not loop.last else '$' }}
{% else %}nobody
{% endfor %}{% if add_generation_prompt %}{{ turn('assistant', '', close=false) }}{% endif %}""",
    "generation": """{% for m in messages %}{% if m.role == 'assistant' %}
{%- generation -%}
  {% set inner = 1 %}{{ m.content }}{{ eos_token }}
{%- endgeneration %}
{% else %}{{ m.role }}:{{ m.content }}{{ inner }}
{% endif %}
{# {% generation %} in a comment #}{% raw %}{% generation %}{% endraw %}
{% endfor %}""",
    "loop_controls": """{% for m in messages %}{% if m.role == 'system' %}{% continue %}{% endif %}{{ loop.index }}{{ m.role }}{% if loop.index > 2 %}{% break %}{% endif %}{% endfor %}""",
    "line_ends": "{% for m in messages %}\r\n{{ m.role }}\r\n  {% if true %}\r\nx\ry\r\n  {% endif %}\r\n{% endfor %}\r\nend\r\n",
    "spaces": "  {% for m in messages %}  \n    {{ m.role }}  \n  {%+ if true %} a {% endif +%}\n {%- if true -%} b {%- endif %}\n\n{% endfor %}\n\n",
    "filters": """{{ messages|map(attribute='role')|join(',') }}|{{ messages|selectattr('role', 'equalto', 'user')|list|length }}
{{ messages|rejectattr('role', 'in', ['user', 'system'])|map(attribute='role')|list }}
{{ (messages|first).role }} {{ (messages|last)['role']|upper }} {{ 'a b c'|title }} {{ 'hELLO'|capitalize }} {{ ' x '|trim }}|
{{ 'a-b-c'|replace('-', '+') }} {{ nothing|default('d') }} {{ ''|default('e', true) }} {{ none|default('f') }} {{ 'one two  three_4'|wordcount }}
{{ [3, 1, 2]|sort }} {{ [1, 2, 3]|sum }} {{ [1, 2]|max }} {{ {'b': 1, 'a': 2}|dictsort }} {{ {'b': 1, 'a': 2}|items|list }} {{ -3|abs }}
{{ 'x'|indent(2) }} {{ 'a\nb'|indent(2) }} {{ 'a\nb'|indent(2, true) }} {{ [1, 2, 3]|reverse|list }} {{ 'abc'|reverse }} {{ [1, 1, 2]|unique|list }}
{{ '<&>'|e }} {{ '<&>'|safe }} {{ 3.7|int }} {{ '3'|int + 1 }} {{ 5|float }} {{ 2.567|round(1) }} {{ 'abc'|list }} {{ 'a,b'|string|length }}
{{ 7 // 2 }} {{ 7 % 3 }} {{ 2 ** 5 }} {{ 7 / 2 }} {{ 1 ~ 'x' ~ none ~ true }} {{ 'ab' * 3 }} {{ [1] + [2] }} {{ 1 in [1] }} {{ 'b' not in 'abc' }}""",
    "methods": """{{ 'a b  c d'.rsplit(None, 1) }} {{ 'a-b-c'.rsplit('-', 1) }} {{ 'a-b-c'.rsplit('-') }} {{ ' a b '.rsplit() }} {{ 'a-b'.rsplit('-', maxsplit=0) }}
{{ 'k=v=w'.partition('=') }} {{ 'k=v=w'.rpartition('=') }} {{ 'kv'.partition('=') }} {{ 'kv'.rpartition('=') }}
{{ 'foobar'.removeprefix('foo') }} {{ 'foobar'.removesuffix('bar') }} {{ 'foobar'.removeprefix('x') }}
{{ 'a b  c'.split() }} {{ 'a-b-c'.split('-', 1) }} {{ 'a\\nb\\n'.splitlines() }} {{ 'xxhixx'.strip('x') }} {{ ' hi '.lstrip() }}| {{ ' hi '.rstrip() }}|
{{ 'Hi'.lower() }} {{ 'Hi'.upper() }} {{ 'hi there'.title() }} {{ 'hI'.capitalize() }} {{ 'banana'.count('an') }} {{ 'banana'.find('n') }} {{ 'banana'.rfind('n') }} {{ 'x'.find('y') }}
{{ 'banana'.replace('a', 'o') }} {{ 'banana'.replace('a', 'o', 1) }} {{ '-'.join(['a', 'b']) }} {{ 'ab'.startswith(('x', 'a')) }} {{ '12'.isdigit() }} {{ 'ab'.isalpha() }} {{ '{} {}'.format(1, 'a') }}
{{ {'a': 1}.get('a') }} {{ {'a': 1}.get('b') }} {{ {'a': 1}.get('b', 2) }} {{ {'a': 1, 'b': 2}.keys()|list }} {{ {'a': 1, 'b': 2}.values()|list }} {% for k, v in {'a': 1, 'b': 2}.items() %}{{ k }}{{ v }}{% endfor %}

{{ 'hello'[1:3] }} {{ 'hello'[-1] }} {{ 'hello'[::-1] }} {{ messages[-1].role }} {{ messages[:1]|length }} {{ 'ünï'[1] }} {{ 'ünï'|length }}""",
    "printing": """{{ 1 }} {{ 1.0 }} {{ 1e20 }} {{ 0.1 + 0.2 }} {{ true }} {{ none }} {{ nothing }} {{ [1, 'a', none, true, 1.5] }} {{ {'a': [1, {'b': 'c'}]} }} {{ "it's" }} {{ ["it's", 'q"q', 'n\\nl'] }} {{ (1, 2) }} {{ [] }} {{ {} }} {{ ('x',) }}""",
    "json": """{{ {'a': 1, 'b': [1.0, 2.5, 1e20, 1e-7, 123456789012345680.0, 1e16, 1e15, 0.0001, 0.00001, -0.0], 'c': none, 'd': true, 'e': '<a href="x">&\\'</a>'}|tojson }}
{{ 'ünï 東京 👍 \\n\\t\\\\ /'|tojson }} {{ 'ünï 東京 👍 \\u0001'|tojson(ensure_ascii=true) }} {{ [1, [2, [3, {}], []]]|tojson(indent=2) }} {{ {'b': 1, 'a': {'d': 1, 'c': 2}}|tojson(sort_keys=True) }}
{{ messages|tojson }} {{ messages|tojson(indent=1) }} {{ {1: 'x', none: 'y', true: 'z'}|tojson }} {{ (1, 'a')|tojson }}""",
    "blocks": """{% set text %}{% for m in messages %}{{ m.role }} {% endfor %}{% endset %}
[{{ text }}] {% if not text.strip() %}empty{% elif 'user' in text %}user{% else %}other{% endif %}
{% set a, b = 1, 2 %}{{ a }}{{ b }} {% with c = 5 %}{{ c }}{% endwith %}{{ c is defined }}
{% filter upper %}shout {{ messages|length }}{% endfilter %}
{{ 'yes' if add_generation_prompt is defined and add_generation_prompt else 'no' }} {{ tools is none }} {{ tools is defined }} {{ documents is none }}
{% for k in range(3) %}{{ k }}{% endfor %} {{ range(1, 10, 4)|list }} {% set x = namespace(v=[]) %}{% for m in messages %}{% set x.v = x.v + [m.role] %}{% endfor %}{{ x.v }}
{{ (1 == 1.0) }} {{ 'a' < 'b' }} {{ not none }} {{ 1 is number }} {{ 'x' is string }} {{ true is boolean }} {{ 3 is odd }} {{ 4 is divisibleby 2 }} {{ x.v is iterable }} {{ 1 is integer }} {{ 1.5 is float }} {{ [] is sequence }} {{ {} is sequence }} {{ nothing is sequence }}""",
    "trailing": "{{ messages|length }}\n",
    "refuse": "{% if messages[0].role == 'system' %}{{ raise_exception('no system text: ünï') }}{% endif %}ok",
}

WEATHER = {"type": "function", "function": {
    "name": "weather", "description": "The weather at a place, in <b>words</b> & numbers.",
    "parameters": {"type": "object", "required": ["place"], "properties": {
        "place": {"type": "string", "description": "A town: \"Köln\", 東京"},
        "days": {"type": "integer", "default": 3, "minimum": 1, "scale": 0.5}}}}}

USER = {"role": "user", "content": "What is the capital of France?"}
ASSISTANT = {"role": "assistant", "content": "  Paris.\n"}
TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}

CONTEXTS = {
    "one": {"messages": [USER], "add_generation_prompt": True, **TOKENS},
    "system": {"messages": [{"role": "system", "content": "Be brief."}, USER], "add_generation_prompt": True, **TOKENS},
    "turns": {"messages": [USER, ASSISTANT, {"role": "user", "content": "  And of <Ünïcode> & \"東京\" 👍?\n\nSay it's so. "}],
              **TOKENS},
    "long": {"messages": [{"role": "system", "content": "x"}] + [USER, ASSISTANT] * 5, **TOKENS},
    "think": {"messages": [USER, {"role": "assistant", "content": "<think>\nHm. France.\n</think>\n\nParis"},
                           {"role": "user", "content": "Sure?"},
                           {"role": "assistant", "content": "<think>\nI am.\n</think>\nYes"}], **TOKENS},
    "no_bos": {"messages": [USER], "add_generation_prompt": False},
    "tools": {"messages": [USER, {"role": "assistant", "content": "", "tool_calls": [
        {"type": "function", "function": {"name": "weather", "arguments": {"place": "Paris", "days": 2, "x": 1.5e-7}}}]},
        {"role": "tool", "content": "21 °C"}], "tools": [WEATHER, WEATHER], "add_generation_prompt": True, **TOKENS},
    "parts": {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, {"type": "image"}]},
                           {"role": "assistant", "content": "A cat."}], **TOKENS},
}
