-- A source that no row knows would leave its leads without a channel and fall out of
-- every report by source. The last row asks nothing.
select
    'channels.csv' as file,
    coalesce(arg_max(channel_id, priority), '(no row)') as row_id,
    'is the last row and does not take every source' as problem,
    'End the file with a row whose source and source_detail are empty' as cure
from {{ ref("channels") }}
having not coalesce(arg_max(source is null and source_detail is null, priority), false)
