/** The own account, tokens for programs, the roots that devices trust. */
import { Alert, Anchor, Button, Code, Grid, Group, Modal, PasswordInput, Select, Stack, Text, TextInput } from '@mantine/core';
import { useForm } from '@mantine/form';
import { useQuery } from '@tanstack/react-query';
import { IconAlertTriangle, IconKey, IconPlus } from '@tabler/icons-react';
import { useState } from 'react';
import { useTranslation } from 'react-i18next';
import { accountQueries, useAccountActions } from '@/entities/account';
import { MIN_PASSWORD } from '@/features/session';
import { useFormat } from '@/shared/lib/hooks';
import { toast } from '@/shared/lib/toast';
import { Confirm, Copy, DataTable, Empty, Facts, PageHeader, Panel, When } from '@/shared/ui';

export function Settings() {
  const { t } = useTranslation();
  const me = useQuery(accountQueries.me());
  return (
    <>
      <PageHeader title={t('nav.settings')} />
      <Grid gap="md">
        <Grid.Col span={{ base: 12, md: 5 }}>
          <Stack gap="md">
            <Panel title={t('settings.account')}>
              {me.data && <Facts items={[[t('login.name'), me.data.user.name], [t('settings.role'), t(`role.${me.data.user.role}`)], [t('form.created'), <When key="c" at={me.data.user.created_at} />]]} />}
            </Panel>
            <Panel title={t('settings.password')}><Password name={me.data?.user.name ?? ''} /></Panel>
            <Panel title={t('settings.certificates')}>
              <Stack gap="xs">
                <Text size="sm">{t('settings.rootsText')}</Text>
                <Anchor href="/api/v1/ca/roots.pem" download size="sm">{t('settings.roots')}</Anchor>
              </Stack>
            </Panel>
            <Panel title={t('settings.about')}>
              <Stack gap="xs">
                <Text size="sm">{t('settings.aboutText')}</Text>
                <Anchor href="/api/v1/openapi.json" target="_blank" rel="noreferrer" size="sm">OpenAPI</Anchor>
              </Stack>
            </Panel>
          </Stack>
        </Grid.Col>
        <Grid.Col span={{ base: 12, md: 7 }}><Tokens /></Grid.Col>
      </Grid>
    </>
  );
}

function Password({ name }: { name: string }) {
  const { t } = useTranslation();
  const { changePassword, login } = useAccountActions();
  const form = useForm({
    initialValues: { current: '', next: '' },
    validate: { next: (v) => (v.length < MIN_PASSWORD ? t('login.tooShort', { count: MIN_PASSWORD }) : null) },
  });
  const submit = form.onSubmit(async ({ current, next }) => {
    await changePassword.mutateAsync({ current, new: next });
    await login.mutateAsync({ name, password: next });
    form.reset();
    toast.done(t('settings.passwordChanged'));
  });
  return (
    <form onSubmit={submit}>
      <Stack>
        {changePassword.error && <Alert color="red" role="alert">{changePassword.error.message}</Alert>}
        <PasswordInput label={t('login.current')} autoComplete="current-password" required {...form.getInputProps('current')} />
        <PasswordInput label={t('login.next')} description={t('login.rule', { count: MIN_PASSWORD })} autoComplete="new-password" required {...form.getInputProps('next')} />
        <Group><Button type="submit" variant="default" loading={changePassword.isPending}>{t('login.change')}</Button></Group>
      </Stack>
    </form>
  );
}

const DAYS = [7, 30, 90, 365];

function Tokens() {
  const { t } = useTranslation();
  const f = useFormat();
  const list = useQuery(accountQueries.tokens());
  const { createToken, removeToken } = useAccountActions();
  const [creating, setCreating] = useState(false);
  const [shown, setShown] = useState<string | null>(null);
  const [removing, setRemoving] = useState<{ id: number; name: string } | null>(null);
  const form = useForm({ initialValues: { name: '', days: '90' } });
  const submit = form.onSubmit(async ({ name, days }) => {
    const expires_at = Number(days) > 0 ? new Date(Date.now() + Number(days) * 86_400_000).toISOString() : undefined;
    const made = await createToken.mutateAsync({ name, expires_at });
    setCreating(false);
    form.reset();
    setShown(made.token);
  });
  return (
    <Panel pad={false} title={t('settings.tokens')} actions={<Button size="xs" leftSection={<IconPlus size={14} />} onClick={() => setCreating(true)}>{t('settings.createToken')}</Button>}>
      <DataTable
        caption={t('settings.tokens')}
        rows={list.data?.items}
        error={list.error}
        rowKey={(x) => String(x.id)}
        empty={<Empty icon={IconKey} title={t('settings.noTokens')} hint={t('settings.noTokensHint')} />}
        columns={[
          { id: 'name', label: t('settings.tokenName'), cell: (x) => <Text size="sm" fw={600}>{x.name}</Text> },
          { id: 'at', label: t('form.created'), cell: (x) => <When at={x.created_at} /> },
          { id: 'until', label: t('settings.expires'), cell: (x) => <When at={x.expires_at} fallback={t('deploy.never')} /> },
          { id: 'do', label: t('action.actions'), right: true, cell: (x) => <Button size="compact-xs" color="red" variant="light" onClick={() => setRemoving(x)}>{t('action.remove')}</Button> },
        ]}
      />
      <Modal opened={creating} onClose={() => setCreating(false)} title={t('settings.createToken')}>
        <form onSubmit={submit}>
          <Stack>
            {createToken.error && <Alert color="red" role="alert">{createToken.error.message}</Alert>}
            <TextInput label={t('settings.tokenName')} required maxLength={128} data-autofocus {...form.getInputProps('name')} />
            <Select label={t('settings.expires')} allowDeselect={false} data={[...DAYS.map((d) => ({ value: String(d), label: f.duration(d * 86_400) })), { value: '0', label: t('deploy.never') }]} {...form.getInputProps('days')} />
            <Group justify="flex-end"><Button type="submit" loading={createToken.isPending}>{t('settings.createToken')}</Button></Group>
          </Stack>
        </form>
      </Modal>
      <Modal opened={shown !== null} onClose={() => setShown(null)} title={t('settings.tokenMade')} closeOnClickOutside={false}>
        <Stack>
          <Alert color="yellow" icon={<IconAlertTriangle size={18} />}>{t('settings.tokenOnce')}</Alert>
          <Copy value={shown ?? ''}><Code style={{ overflowWrap: 'anywhere' }}>{shown}</Code></Copy>
          <Group justify="flex-end"><Button onClick={() => setShown(null)}>{t('action.close')}</Button></Group>
        </Stack>
      </Modal>
      <Confirm
        opened={removing !== null}
        onClose={() => setRemoving(null)}
        title={t('form.removeTitle', { name: removing?.name ?? '' })}
        confirmLabel={t('action.remove')}
        danger
        busy={removeToken.isPending}
        onConfirm={() => removing && removeToken.mutate(removing.id, { onSettled: () => setRemoving(null) })}
      >
        {t('settings.removeToken')}
      </Confirm>
    </Panel>
  );
}
