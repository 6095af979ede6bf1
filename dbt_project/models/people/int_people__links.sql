-- One row per record and link: two records that share a link are one person.
{{ config(unique_key="record_key", touched="self") }}
-- A record always links to itself, so that a record named by another is found. Which
-- addresses join nobody is asked where links are read: that policy may change.
with
    records as (
        select *
        from {{ ref("int_people__records") }}
        {% if is_incremental() %}
            where _seq > (select coalesce(max(_seq), 0) from {{ this }})
        {% endif %}
    ),
    linked as (
        select record_key, record_key as link, null as mailbox, _seq
        from records
        union all
        select
            record_key,
            'email:' || email as link,
            {{ mailbox_of("email") }} as mailbox,
            _seq
        from records
        where email is not null
        union all
        select record_key, unnest(linked_record_keys) as link, null as mailbox, _seq
        from records
    )
select record_key, link, mailbox, _seq
from linked
