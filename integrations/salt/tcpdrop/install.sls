{#- SPDX-License-Identifier: BSD-2-Clause -#}
{#- Install the library where Salt runs, and the rules of what must live: state.apply tcpdrop.install.
    All of it comes from the pillar `tcpdrop` (docs/fleet.md). -#}
{%- set given = salt['pillar.get']('tcpdrop', {}) %}

tcpdrop-library:
{%- if given.get('package') %}
  pkg.installed:
    - name: {{ given['package'] | tojson }}
{%- else %}
  pip.installed:
    - name: {{ ('tcpdrop==' ~ given['version'] if given.get('version') else 'tcpdrop') | tojson }}
    {%- if given.get('venv') %}
    - bin_env: {{ given['venv'] | tojson }}
    {%- endif %}
    {%- if given.get('wheelhouse') %}
    - no_index: true
    - find_links: {{ given['wheelhouse'] | tojson }}
    {%- elif given.get('index') %}
    - index_url: {{ given['index'] | tojson }}
    {%- endif %}
    - reload_modules: true
{%- endif %}

{%- if given.get('conf') is not none and 'conf' in given %}

/etc/tcpdrop.conf:
  file.managed:
    - contents: {{ given['conf'] | trim | tojson }}
    - user: root
    - group: root
    - mode: '0644'
    - require_in:
      - tcpdrop: tcpdrop-rules
{%- endif %}

{%- for name, text in (given.get('drop_ins') or {}).items() if name not in (given.get('drop_ins_absent') or []) %}

/etc/tcpdrop.conf.d/{{ name }}.conf:
  file.managed:
    - contents: {{ text | trim | tojson }}
    - user: root
    - group: root
    - mode: '0644'
    - makedirs: true
    - dir_mode: '0755'
    - require_in:
      - tcpdrop: tcpdrop-rules
{%- endfor %}

{%- for name in given.get('drop_ins_absent') or [] %}

/etc/tcpdrop.conf.d/{{ name }}.conf:
  file.absent:
    - require_in:
      - tcpdrop: tcpdrop-rules
{%- endfor %}

# It fails where the rules cannot be followed: nothing can be dropped then.
tcpdrop-rules:
  tcpdrop.ruled:
    - require:
      - {{ 'pkg' if given.get('package') else 'pip' }}: tcpdrop-library
