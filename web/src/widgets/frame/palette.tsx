/** The command palette: pages, devices, firmware and deployments by what is typed. */
import { Spotlight, type SpotlightActionData, type SpotlightActionGroupData } from '@mantine/spotlight';
import { useQuery } from '@tanstack/react-query';
import { IconCpu, IconFileCode, IconRocket, IconSearch } from '@tabler/icons-react';
import { useNavigate } from '@tanstack/react-router';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { deploymentQueries } from '@/entities/deployment';
import { deviceQueries } from '@/entities/device';
import { firmwareQueries } from '@/entities/firmware';
import { useDebounced } from '@/shared/lib/hooks';
import { SECTIONS } from './nav';

export function Palette() {
  const { t } = useTranslation();
  const navigate = useNavigate();
  const [query, setQuery] = useState('');
  const search = useDebounced(query.trim(), 150);
  const enabled = search.length > 0;
  const devices = useQuery({ ...deviceQueries.list({ search }, undefined, 6), enabled });
  const firmware = useQuery({ ...firmwareQueries.list({ search }, undefined, 4), enabled });
  const deployments = useQuery({ ...deploymentQueries.list({ search }, undefined, 4), enabled, refetchInterval: false });

  const words = query.trim().toLowerCase();
  const pages: SpotlightActionData[] = SECTIONS.flatMap((s) => s.places)
    .filter((p) => t(p.label).toLowerCase().includes(words))
    .map(({ to, label, icon: Shape }) => ({ id: to, label: t(label), leftSection: <Shape size={18} />, onClick: () => void navigate({ to }) }));
  const found: SpotlightActionGroupData[] = [{ group: t('palette.pages'), actions: pages }];
  if (enabled) {
    found.push(
      {
        group: t('nav.devices'),
        actions: (devices.data?.items ?? []).map((d) => ({ id: `device:${d.key}`, label: d.key, description: d.name, leftSection: <IconCpu size={18} />, onClick: () => void navigate({ to: '/device/$key', params: { key: d.key } }) })),
      },
      {
        group: t('nav.firmware'),
        actions: (firmware.data?.items ?? []).map((x) => ({ id: `firmware:${x.id}`, label: `${x.product.name} ${x.version}`, description: x.file_name, leftSection: <IconFileCode size={18} />, onClick: () => void navigate({ to: '/firmware/$id', params: { id: String(x.id) } }) })),
      },
      {
        group: t('nav.deployments'),
        actions: (deployments.data?.items ?? []).map((x) => ({ id: `deployment:${x.id}`, label: x.name, description: t(`deploymentState.${x.state}`), leftSection: <IconRocket size={18} />, onClick: () => void navigate({ to: '/firmware/deployment/$id', params: { id: String(x.id) } }) })),
      },
    );
  }
  return (
    <Spotlight
      actions={found.filter((g) => g.actions.length > 0)}
      query={query}
      onQueryChange={setQuery}
      filter={(_, actions) => actions}
      shortcut={null}
      nothingFound={t('palette.nothing')}
      searchProps={{ leftSection: <IconSearch size={18} />, placeholder: t('frame.search'), 'aria-label': t('frame.search') }}
      scrollable
      maxHeight={420}
    />
  );
}
