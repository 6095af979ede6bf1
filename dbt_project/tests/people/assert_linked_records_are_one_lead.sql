-- A reader found one person twice in the CRM: two records that share an address, a
-- merge or a conversion are one lead, whichever of them arrived in which run. A
-- mailbox several people read is no person's address.
{{ config(group="people") }}
with
    linked as (
        select links.link, people.record_key, people.lead_key
        from {{ ref("int_people__links") }} as links
        inner join {{ ref("people") }} as people on links.record_key = people.record_key
        where
            coalesce(links.mailbox, 'none') <> ''
            and coalesce(links.mailbox, '')
            not in (select local_part from {{ ref("shared_mailboxes") }})
    )
select link, count(distinct lead_key) as leads
from linked
group by link
having count(distinct lead_key) > 1
