import { Badge } from '@mantine/core';
import { useTranslation } from 'react-i18next';
import type { Schemas } from '@/shared/api';

const COLOR: Record<Schemas['FirmwareState'], string> = { draft: 'gray', released: 'teal', withdrawn: 'orange' };

export function FirmwareStateBadge({ state }: { state: Schemas['FirmwareState'] }) {
  const { t } = useTranslation();
  return <Badge color={COLOR[state]}>{t(`firmwareState.${state}`)}</Badge>;
}
