/** Register a device: where it stands and what it is, then six digits to type in at the machine, with the time that is left. */
import { Alert, Button, Group, Modal, RingProgress, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { IconCircleCheck } from '@tabler/icons-react';
import { useEffect, useState } from 'react';
import { useTranslation } from 'react-i18next';
import { codeQueries, useCodeActions } from '@/entities/code';
import { placeQueries } from '@/entities/place';
import { useFormat, useNow } from '@/shared/lib/hooks';

interface Given {
  id: number;
  code: string;
  /** By this browser's clock: the server says how long, not until when. */
  endsAt: number;
  lifeS: number;
}

export function RegisterDevice({ opened, onClose, onDone }: { opened: boolean; onClose: () => void; onDone: (key: string) => void }) {
  const { t } = useTranslation();
  const client = useQueryClient();
  const { create, revoke } = useCodeActions();
  const [given, setGiven] = useState<Given | null>(null);
  const products = useQuery({ ...placeQueries.products(), enabled: opened });
  const groups = useQuery({ ...placeQueries.groups(), enabled: opened });
  const regions = useQuery({ ...placeQueries.regions(), enabled: opened });
  const required = (v: string) => (v ? null : t('form.required'));
  const form = useForm({ initialValues: { region: '', group: '', product: '', name: '' }, validate: { region: required, group: required, product: required } });
  const submit = form.onSubmit(async ({ name, ...place }) => {
    const made = await create.mutateAsync({ ...place, device_name: name.trim() || undefined });
    setGiven({ id: made.id, code: made.code, endsAt: Date.now() + made.expires_in_s * 1000, lifeS: made.expires_in_s });
  });
  const close = () => {
    if (given) revoke.mutate(given.id);
    setGiven(null);
    form.reset();
    create.reset();
    onClose();
  };
  const used = (key: string) => {
    setGiven(null);
    form.reset();
    void client.invalidateQueries({ queryKey: ['device'] });
    onDone(key);
  };
  return (
    <Modal opened={opened} onClose={close} title={t('code.title')} closeOnClickOutside={!given && !form.isDirty()}>
      {given ? (
        <Digits given={given} onUsed={used} onAgain={() => setGiven(null)} />
      ) : (
        <form onSubmit={submit}>
          <Stack>
            <Text size="sm" c="dimmed">{t('code.lead')}</Text>
            {create.error && <Alert color="red" role="alert">{create.error.message}</Alert>}
            <Select label={t('region.one')} required searchable data={regions.data?.items.map((r) => ({ value: r.code, label: `${r.name} (${r.code})` })) ?? []} {...form.getInputProps('region')} />
            <Select label={t('group.one')} required searchable data={groups.data?.items.map((g) => g.name) ?? []} {...form.getInputProps('group')} />
            <Select label={t('product.one')} required searchable data={products.data?.items.map((p) => p.name) ?? []} {...form.getInputProps('product')} />
            <TextInput label={t('code.name')} description={t('code.nameHint')} maxLength={128} {...form.getInputProps('name')} />
            <Group justify="flex-end"><Button type="submit" loading={create.isPending}>{t('code.make')}</Button></Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}

function Digits({ given, onUsed, onAgain }: { given: Given; onUsed: (key: string) => void; onAgain: () => void }) {
  const { t } = useTranslation();
  const f = useFormat();
  const now = useNow(1000);
  const view = useQuery(codeQueries.one(given.id));
  const left = Math.max(0, Math.ceil((given.endsAt - now) / 1000));
  const key = view.data?.state === 'used' ? view.data.used_by : undefined;
  useEffect(() => {
    if (!key) return;
    const timer = setTimeout(() => onUsed(key), 1_600);
    return () => clearTimeout(timer);
  }, [key, onUsed]);
  if (key) {
    return (
      <Stack align="center" py="lg" role="status">
        <IconCircleCheck size={56} color="var(--mantine-color-teal-6)" aria-hidden />
        <Text fw={600}>{t('code.used', { key })}</Text>
      </Stack>
    );
  }
  const over = left === 0 || view.data?.state === 'expired' || view.data?.state === 'revoked';
  return (
    <Stack align="center">
      <Text size="sm" c="dimmed" ta="center">{over ? t('code.over') : t('code.enter')}</Text>
      <Text fz={48} fw={700} ff="monospace" lh={1.1} td={over ? 'line-through' : undefined} c={over ? 'dimmed' : undefined} style={{ letterSpacing: '0.12em' }} aria-label={given.code.split('').join(' ')}>{given.code.slice(0, 3)} {given.code.slice(3)}</Text>
      {over ? (
        <Button onClick={onAgain}>{t('code.again')}</Button>
      ) : (
        <RingProgress size={104} thickness={8} roundCaps sections={[{ value: (left / given.lifeS) * 100, color: left < 60 ? 'orange.6' : 'sea.6' }]} label={<Text ta="center" size="sm" style={{ fontVariantNumeric: 'tabular-nums' }}>{f.duration(left)}</Text>} />
      )}
      <Text size="xs" c="dimmed" ta="center">{t('code.closes')}</Text>
    </Stack>
  );
}
