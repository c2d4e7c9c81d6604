/** Whether what is on the screen is of now. */
import { Badge, Tooltip } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { StreamState } from '@/shared/api';

const COLOR: Record<StreamState, string> = { connecting: 'gray', live: 'teal', stale: 'orange' };

export function LiveMark({ state }: { state: StreamState }) {
  const { t } = useTranslation();
  return (
    <Tooltip label={t(`live.${state}Hint`)}>
      <Badge color={COLOR[state]} variant="dot" role="status">{t(`live.${state}`)}</Badge>
    </Tooltip>
  );
}
