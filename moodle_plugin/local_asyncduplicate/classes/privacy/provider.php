<?php
// This file is part of Moodle - https://moodle.org/
//
// Moodle is free software: you can redistribute it and/or modify
// it under the terms of the GNU General Public License as published by
// the Free Software Foundation, either version 3 of the License, or
// (at your option) any later version.
//
// Moodle is distributed in the hope that it will be useful,
// but WITHOUT ANY WARRANTY; without even the implied warranty of
// MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE.  See the
// GNU General Public License for more details.
//
// You should have received a copy of the GNU General Public License
// along with Moodle.  If not, see <https://www.gnu.org/licenses/>.

/**
 * Privacy provider.
 *
 * @package    local_asyncduplicate
 * @copyright  2026 the dupdash authors
 * @license    https://www.gnu.org/copyleft/gpl.html GNU GPL v3 or later
 */

namespace local_asyncduplicate\privacy;

use context;
use context_user;
use core_privacy\local\metadata\collection;
use core_privacy\local\request\approved_contextlist;
use core_privacy\local\request\approved_userlist;
use core_privacy\local\request\contextlist;
use core_privacy\local\request\transform;
use core_privacy\local\request\userlist;
use core_privacy\local\request\writer;
use local_asyncduplicate\local\jobs;

/**
 * Rows belong to their caller, in the caller's user context.
 */
class provider implements
    \core_privacy\local\metadata\provider,
    \core_privacy\local\request\core_userlist_provider,
    \core_privacy\local\request\plugin\provider {
    /**
     * What is stored.
     *
     * @param collection $collection
     * @return collection
     */
    public static function get_metadata(collection $collection): collection {
        $fields = [];
        foreach (['userid', 'sourceid', 'fullname', 'shortname', 'status', 'timecreated', 'timefinished'] as $field) {
            $fields[$field] = 'privacy:metadata:' . $field;
        }
        $collection->add_database_table(jobs::TABLE, $fields, 'privacy:metadata');
        return $collection;
    }

    /**
     * The contexts with data of a user.
     *
     * @param int $userid
     * @return contextlist
     */
    public static function get_contexts_for_userid(int $userid): contextlist {
        global $DB;
        $list = new contextlist();
        if ($DB->record_exists(jobs::TABLE, ['userid' => $userid])) {
            $list->add_user_context($userid);
        }
        return $list;
    }

    /**
     * The users with data in a context.
     *
     * @param userlist $userlist
     */
    public static function get_users_in_context(userlist $userlist) {
        global $DB;
        $context = $userlist->get_context();
        if ($context instanceof context_user && $DB->record_exists(jobs::TABLE, ['userid' => $context->instanceid])) {
            $userlist->add_user($context->instanceid);
        }
    }

    /**
     * Exports the data of a user.
     *
     * @param approved_contextlist $contextlist
     */
    public static function export_user_data(approved_contextlist $contextlist) {
        global $DB;
        $userid = $contextlist->get_user()->id;
        foreach ($contextlist->get_contexts() as $context) {
            if (!$context instanceof context_user || $context->instanceid != $userid) {
                continue;
            }
            $duplications = [];
            foreach ($DB->get_records(jobs::TABLE, ['userid' => $userid], 'id') as $job) {
                $duplications[] = [
                    'sourceid' => $job->sourceid,
                    'fullname' => format_string($job->fullname),
                    'shortname' => format_string($job->shortname),
                    'status' => get_string('state' . jobs::state($job), 'local_asyncduplicate'),
                    'timecreated' => transform::datetime($job->timecreated),
                    'timefinished' => $job->timefinished ? transform::datetime($job->timefinished) : null,
                ];
            }
            writer::with_context($context)->export_data(
                [get_string('pluginname', 'local_asyncduplicate')],
                (object) ['duplications' => $duplications]
            );
        }
    }

    /**
     * Deletes the data of all users in a context.
     *
     * @param context $context
     */
    public static function delete_data_for_all_users_in_context(context $context) {
        if ($context instanceof context_user) {
            self::delete($context->instanceid);
        }
    }

    /**
     * Deletes the data of a user.
     *
     * @param approved_contextlist $contextlist
     */
    public static function delete_data_for_user(approved_contextlist $contextlist) {
        foreach ($contextlist->get_contexts() as $context) {
            if ($context instanceof context_user && $context->instanceid == $contextlist->get_user()->id) {
                self::delete($context->instanceid);
            }
        }
    }

    /**
     * Deletes the data of some users.
     *
     * @param approved_userlist $userlist
     */
    public static function delete_data_for_users(approved_userlist $userlist) {
        $context = $userlist->get_context();
        if ($context instanceof context_user && in_array($context->instanceid, $userlist->get_userids())) {
            self::delete($context->instanceid);
        }
    }

    /**
     * Deletes the rows of a user. Those that did not end yet lose their user, and are cancelled.
     *
     * @param int $userid
     */
    private static function delete(int $userid): void {
        global $DB;
        $DB->delete_records_select(
            jobs::TABLE,
            'userid = :userid AND leftover = 0 AND status IN (:failed, :succeeded)',
            ['userid' => $userid, 'failed' => jobs::FAILED, 'succeeded' => jobs::SUCCEEDED]
        );
        foreach ($DB->get_records(jobs::TABLE, ['userid' => $userid]) as $job) {
            jobs::update($job, ['userid' => 0, 'idempotency' => $job->duplicateid, 'cancelrequested' => 1]);
        }
    }
}
