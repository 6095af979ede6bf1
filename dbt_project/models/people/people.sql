-- One row per person record: which lead it belongs to.
{{ config(unique_key="record_key", touched="int_people__affected", access="public") }}
-- depends_on: {{ ref('int_people__affected') }}
-- A person is whatever hangs together by links. Its key is the one minted first among
-- its records: a later merge keeps the older key, a split gives each part its own back.
-- A mailbox several people read, and text that is no address, make nobody one person.
with recursive
    records as (
        select
            records.*,
            coalesce(keys.minted_seq, 9000000000000000 + records._seq) as minted
        from {{ ref("int_people__records") }} as records
        left join
            {{ source("ops", "lead_keys") }} as keys
            on records.record_key = keys.record_key
        {% if is_incremental() %}
            where
                records.record_key
                in (select record_key from {{ ref("int_people__affected") }})
        {% endif %}
    ),
    -- HubSpot may never show who was merged away again; the record that names it lives.
    merged_away as (
        select distinct unnest(linked_record_keys) as record_key
        from records
        where system = 'hubspot' and not is_deleted
    ),
    shared_mailboxes as (select local_part from {{ ref("shared_mailboxes") }}),
    links as (
        select links.record_key, links.link
        from {{ ref("int_people__links") }} as links
        inner join records on links.record_key = records.record_key
        where
            links.mailbox is null
            or (
                links.mailbox <> ''
                and links.mailbox not in (select local_part from shared_mailboxes)
            )
    ),
    -- Only links of two records and more can join anything.
    shared as (
        select record_key, link from links qualify count(*) over (partition by link) > 1
    ),
    component(record_key, minted)
using
    key(record_key) as (
        select record_key, minted
        from records
        union
        select others.record_key, min(component.minted) as minted
        from component
        inner join shared on component.record_key = shared.record_key
        inner join shared as others on shared.link = others.link
        inner join recurring.component as known on others.record_key = known.record_key
        where component.minted < known.minted
        group by others.record_key
    )
select
    records.record_key,
    records.system,
    records.object,
    records.record_id,
    coalesce(keys.lead_key, 'unminted:' || first_records.record_key) as lead_key,
    records.email,
    coalesce(
        {{ mailbox_of("records.email") }} in (select local_part from shared_mailboxes),
        false
    ) as has_shared_address,
    -- Of all who have an address the one living longest: it gets what is done under it.
    records.email is not null
    and row_number() over (
        partition by records.email
        order by
            records.is_deleted or merged_away.record_key is not null,
            component.minted,
            records.minted
    )
    = 1 as is_of_address,
    records.full_name,
    records.created_at,
    records.is_deleted or merged_away.record_key is not null as is_deleted,
    records._seq
from records
inner join component on records.record_key = component.record_key
inner join records as first_records on component.minted = first_records.minted
left join merged_away on records.record_key = merged_away.record_key
left join
    {{ source("ops", "lead_keys") }} as keys
    on first_records.record_key = keys.record_key
