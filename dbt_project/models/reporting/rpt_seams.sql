-- One row per lead handed over and seam: the seconds the lead lost there.
with
    leads as (select * from {{ ref("lead_lifecycle") }} where decision = 'mql'),
    -- Receipts as they stand, so that the run that sends can report what it sent.
    receipts as (
        select
            lead_key,
            min(recorded_at) filter (where target = 'salesforce.lead') as written_at,
            min(recorded_at) filter (
                where target in ('slack.message', 'smtp.message')
            ) as notified_at
        from {{ recorded("receipts") }}
        where status = 'accepted'
        group by lead_key
    ),
    seams as (
        {%- set seams = [
            ("form to MAP", "leads.submitted_at", "leads.visible_at"),
            (
                "MAP to extract",
                "coalesce(leads.visible_at, leads.submitted_at)",
                "leads.extracted_at",
            ),
            ("extract to score", "leads.extracted_at", "leads.scored_at"),
            ("score to owner", "leads.scored_at", "leads.routed_at"),
            ("owner to CRM", "leads.routed_at", "receipts.written_at"),
            (
                "CRM to rep",
                "coalesce(receipts.written_at, leads.routed_at)",
                "receipts.notified_at",
            ),
            (
                "rep to first touch",
                "receipts.notified_at",
                "leads.first_response_at",
            ),
        ] %}
        {% for name, begins, ends in seams %}
            select
                leads.lead_key,
                {{ loop.index }} as seam_number,
                '{{ name }}' as seam,
                leads.owner_assigned_at as handed_over_at,
                greatest(epoch({{ ends }} - {{ begins }}), 0) as seconds
            from leads
            left join receipts on leads.lead_key = receipts.lead_key
            where
                {{ ends }} is not null and {{ begins }} is not null
                {{ "union all" if not loop.last }}
        {% endfor %}
    )
select *, seconds = max(seconds) over (partition by lead_key) as is_slowest
from seams
